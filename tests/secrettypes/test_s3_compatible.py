from tests.secrettypes.values import pair, refusal
from vaultferry.secrettypes.s3_compatible import TYPE

GOOD = {"s3_compatible_access_key": pair("any", "any")}
NEEDS = ("endpoint",)


def test_a_pair_of_any_shape_is_taken() -> None:
    TYPE.check(None, pair("a", "b"))
    TYPE.check("s3_compatible_access_key", pair("A" * 40, "b+/=" * 11))


def test_a_line_break_is_refused() -> None:
    said = refusal(TYPE, pair("canary-1", "canary-2\n"))

    assert said.startswith("field secret_access_key has 9 bytes that are not one line")
