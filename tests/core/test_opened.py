import pytest

from tests.formats.samples import opened
from vaultferry.core.errors import ValueInvalid
from vaultferry.core.opened import access


def test_values_are_read_as_text() -> None:
    credential = opened("opaque", b="ä", a="1")

    assert list(credential.texts().items()) == [("a", "1"), ("b", "ä")]


def test_what_is_no_text_is_named_and_not_quoted() -> None:
    credential = opened("opaque", a=b"canary\xff")

    with pytest.raises(
        ValueInvalid, match=r"^field a has 7 bytes that are no"
    ) as caught:
        credential.texts()

    assert "canary" not in str(caught.value)
    assert caught.value.__context__ is None


def test_an_access_key_has_the_fields_of_its_type() -> None:
    permanent = opened("hetzner")
    temporary = opened("s3", session_token="t")
    native = opened("b2")

    names = ("id", "secret", "token")
    assert access(permanent).named(*names) == {
        "id": "access_key_id",
        "secret": "secret_access_key",
    }
    assert access(temporary).named(*names)["token"] == "session_token"
    assert access(native).named(*names) == {
        "id": "application_key_id",
        "secret": "application_key",
    }


def test_settings_of_other_types_are_those_given() -> None:
    assert opened("password", {"registry": "ghcr.io"}).settings == {
        "registry": "ghcr.io"
    }


def test_no_repr_shows_a_value() -> None:
    assert "canary" not in repr(opened("token", token="canary"))
