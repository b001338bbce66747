from tests.formats.samples import opened
from vaultferry.formats import fields

PIN = "1:799af7fc"


def test_fields_stand_under_their_own_names() -> None:
    values = {"username": b"me", "password": b"\xff\x00"}

    assert fields.render(opened("password", **values)) == values
