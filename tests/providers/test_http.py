"""What the vaults have in common that speak HTTP."""

import pytest

from vaultferry.core.errors import Unreachable
from vaultferry.outbound import Answer
from vaultferry.providers import _http


@pytest.mark.parametrize("body", [b'{"a": "canary', b"\xffcanary"])
def test_an_answer_that_is_no_json_does_not_stay_behind_its_failure(
    body: bytes,
) -> None:
    with pytest.raises(Unreachable) as caught:
        _http.document(Answer(200, {}, body))

    assert caught.value.detail == "no-json"
    assert caught.value.__context__ is None
