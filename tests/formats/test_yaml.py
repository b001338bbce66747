import pytest
import yaml as pyyaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formats.conftest import Tools
from tests.formats.samples import opened
from vaultferry.core.errors import ValueInvalid
from vaultferry.formats import yaml

PIN = "1:65499bae"

NASTY = ("no", "1e3", "2026-01-01", "~", "a: b # c", "%a", "- a", "\U0001f600", "\x85")
TEXTS = st.dictionaries(
    st.from_regex(r"[-._a-z0-9]{1,9}", fullmatch=True),
    st.text() | st.sampled_from(NASTY),
    min_size=1,
)


@settings(deadline=None)
@given(TEXTS)
def test_every_text_is_read_back_by_readers_of_yaml_1_1(texts: dict[str, str]) -> None:
    data = yaml.render(opened("opaque", **texts))

    assert pyyaml.safe_load(data["credentials.yaml"]) == texts


@settings(deadline=None)
@given(TEXTS)
def test_every_text_is_read_back_by_readers_of_yaml_1_2(
    real: Tools, texts: dict[str, str]
) -> None:
    data = yaml.render(opened("opaque", **texts))

    assert real.read("yaml", data) == texts


def test_the_location_is_there_with_what_follows_from_it() -> None:
    credential = opened("hetzner", {"region": "fsn1"})

    read = pyyaml.safe_load(yaml.render(credential)["credentials.yaml"])

    assert read["access_key_id"] == "made-up-access_key_id"
    assert read["location"] == {
        "addressingStyle": "virtual",
        "endpoint": "https://fsn1.your-objectstorage.com",
        "region": "fsn1",
    }


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(ValueInvalid, match=r"^field a has 1 bytes that are not UTF-8"):
        yaml.render(opened("opaque", a=b"\xff"))
