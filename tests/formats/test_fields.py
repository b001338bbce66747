from vaultferry.formats import fields


def test_fields_stand_under_their_own_names() -> None:
    values = {"username": b"me", "password": b"\xff\x00"}

    assert fields.render(values) == values
