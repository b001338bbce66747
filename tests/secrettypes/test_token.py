from vaultferry.secrettypes.token import TYPE


def test_a_token_is_one_value() -> None:
    TYPE.check("token", {"token": b"1"})

    assert TYPE.kubernetes_type == "Opaque"
