from vaultferry.secrettypes.opaque import TYPE

GOOD = {None: {"any": b"any\n"}}


def test_opaque_takes_any_keys() -> None:
    TYPE.check(None, {"anything": b"1", "ELSE": b"2"})

    assert (TYPE.methods, TYPE.kubernetes_type) == ({}, "Opaque")
