"""What the vaults have in common that speak HTTP."""

import pytest

from vaultferry.core.budget import Quota
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


DATE = "Mon, 23 Nov 2026 06:30:00 GMT"
AT = 1795415400


@pytest.mark.parametrize(
    ("limit", "left", "reset", "date", "expected"),
    [
        ("240", "239", "59", DATE, Quota(240, 239, 59)),
        ("240", "0", str(AT + 42), DATE, Quota(240, 0, 42)),
        # A clock that is wrong, a word that is none, what nobody would wait for.
        ("240", "0", str(AT - 42), DATE, Quota(240, 0, 1)),
        ("240", "0", str(AT + 86400), DATE, Quota(240, 0, 3600)),
        ("240", "0", str(AT + 42), "tomorrow", Quota(240, 0, 60)),
        ("240", "0", str(AT + 42), "", Quota(240, 0, 60)),
        ("240", "0", str(AT + 42), DATE.replace("2026", "9" * 9), Quota(240, 0, 60)),
        ("0", "0", "0", DATE, Quota(1, 0, 1)),
        ("240", "-1", "59", DATE, None),
        ("240", "many", "59", DATE, None),
        ("240", "239", "", DATE, None),
        ("9" * 5000, "239", "59", DATE, None),
    ],
)
def test_a_limit_on_calls_is_read_from_what_is_said_of_it(
    limit: str, left: str, reset: str, date: str, expected: Quota | None
) -> None:
    headers = {
        "x-ratelimit-limit": limit,
        "x-ratelimit-remaining": left,
        "x-ratelimit-reset": reset,
        "date": date,
    }

    assert _http.quota(Answer(200, headers, b"")) == expected


def test_an_answer_without_a_word_of_a_limit_has_none() -> None:
    assert _http.quota(Answer(200, {}, b"")) is None
