import json as reader

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formats.samples import opened
from vaultferry.core.errors import ValueInvalid
from vaultferry.formats import json

PIN = "1:c8cc694c"

TEXTS = st.dictionaries(st.from_regex(r"[-._a-z0-9]{1,9}", fullmatch=True), st.text())


@settings(deadline=None)
@given(TEXTS.filter(bool))
def test_every_text_is_read_back(texts: dict[str, str]) -> None:
    data = json.render(opened("opaque", **texts))

    assert reader.loads(data["credentials.json"]) == texts


def test_the_location_is_there_with_what_follows_from_it() -> None:
    credential = opened("r2", {"account": "0f", "bucket": "b"})

    read = reader.loads(json.render(credential)["credentials.json"])

    assert read["access_key_id"] == "made-up-access_key_id"
    assert read["location"] == {
        "account": "0f",
        "addressingStyle": "virtual",
        "bucket": "b",
        "endpoint": "https://0f.r2.cloudflarestorage.com",
        "region": "auto",
    }


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(ValueInvalid, match=r"^field a has 1 bytes that are not UTF-8"):
        json.render(opened("opaque", a=b"\xff"))
