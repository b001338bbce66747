from vaultferry.secrettypes.password import TYPE

GOOD = {"password": {"username": b"canary", "password": b"canary"}}


def test_a_password_has_a_user_name_and_becomes_basic_auth() -> None:
    TYPE.check(None, {"username": b"me", "password": b"1"})

    assert TYPE.kubernetes_type == "kubernetes.io/basic-auth"
