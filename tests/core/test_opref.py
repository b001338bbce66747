"""The grammar of references into 1Password."""

import pytest

from vaultferry.core.errors import ReferenceInvalid
from vaultferry.core.opref import OpReference, parse, parse_item

ID = "abcdefghijklmnopqrstuvwx26"


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("op://v/i/f", OpReference("v", "i", None, "f", None)),
        ("op://v/i/s/f", OpReference("v", "i", "s", "f", None)),
        (
            "op://Dev Ops/AWS.Prod/key_id",
            OpReference("Dev Ops", "AWS.Prod", None, "key_id", None),
        ),
        (f"op://{ID}/{ID}/{ID}/{ID}", OpReference(ID, ID, ID, ID, None)),
        ("op://v/i/file.txt", OpReference("v", "i", None, "file.txt", None)),
        ("op://v/i/s/..", OpReference("v", "i", "s", "..", None)),
        ("op://v/i/f?attribute=otp", OpReference("v", "i", None, "f", "otp")),
        ("op://v/i/s/f?attribute=totp", OpReference("v", "i", "s", "f", "otp")),
        ("op://v/i/f?ssh-format=openssh", OpReference("v", "i", None, "f", "openssh")),
    ],
)
def test_a_reference_is_read(text: str, reference: OpReference) -> None:
    assert parse(text) == reference


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "begins with op://"),
        ("canary", "begins with op://"),
        ("OP://v/i/f", "begins with op://"),
        (" op://v/i/f", "begins with op://"),
        ("op:/v/i/f", "begins with op://"),
        ("?op://v/i/f", "begins with op://"),
        ("op://", "three or four parts"),
        ("op://v/i", "three or four parts"),
        ("op://v/i/s/f/canary", "three or four parts"),
        ("op:///i/f", "the vault"),
        ("op://v//f", "the item"),
        ("op://v/i/", "the field"),
        ("op://v/i//f", "the section"),
        ("op://v/i/s/", "the field"),
        ("op://v/i/canary ", "blank before or after"),
        ("op://v/i/canary ?attribute=otp", "blank before or after"),
        ("op://v/ canary/f", "blank before or after"),
        ("op://v /i/f", "blank before or after"),
        ("op://v/i/ ", "blank before or after"),
        ("op://canary@v/i/f", "the vault in a reference to 1Password may have"),
        ("op://v/i%20i/f", "write its id"),
        ("op://v/i%2Fi/f", "write its id"),
        ("op://v/i+i/f", "write its id"),
        ("op://v/i/f\n", "write its id"),
        ("op://v/i/f#canary", "write its id"),
        ("op://v/é/f", "write its id"),
        ("op://v/\u0661/f", "write its id"),
        ("op://v/i/f?", "write attribute=otp"),
        ("op://v/i/f?canary", "write attribute=otp"),
        ("op://v/i/f?attribute=value", "its command line only"),
        ("op://v/i/f?attribute=type", "its command line only"),
        ("op://v/i/f?attr=otp", "its command line only"),
        ("op://v/i/f?Attribute=otp", "write attribute=otp"),
        ("op://v/i/f?attribute=OTP", "write attribute=otp"),
        ("op://v/i/f?attribute=otp&attribute=otp", "write attribute=otp"),
        ("op://v/i/f?attribute=otp?", "write attribute=otp"),
        ("op://v/i/f?attribute=otp ", "write attribute=otp"),
        ("op://v/i/f?ssh-format=pkcs8", "write attribute=otp"),
    ],
)
def test_any_other_text_is_refused_with_what_to_write(text: str, said: str) -> None:
    with pytest.raises(ReferenceInvalid) as caught:
        parse(text)

    assert said in str(caught.value)
    assert "canary" not in str(caught.value)


def test_a_reference_to_a_whole_item_is_read() -> None:
    assert parse_item("op://Dev Ops/AWS.Prod") == ("Dev Ops", "AWS.Prod")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "canary",
        "op://v",
        "op://v/i/f",
        "OP://v/i",
        "op://v/",
        "op:///i",
        "op://v/i?",
    ],
)
def test_what_is_no_whole_item_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ReferenceInvalid) as caught:
        parse_item(text)

    assert "canary" not in str(caught.value)
