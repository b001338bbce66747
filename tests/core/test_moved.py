"""The campaign against moved tokens: every pair of many places, counted."""

from collections import Counter
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.keyrings import keyring, seal
from vaultferry.core.errors import TokenNotOpened
from vaultferry.core.sealing import Place, Scope
from vaultferry.core.suites import Suite

AT_ONCE = 12
EXAMPLES = 120
PAIRS_PER_WAY = 16_000

# Few and alike, so that places share parts and their joins look the same.
PARTS = st.sampled_from(["", "a", "b", "ab", "a/b", "b/c", "c", "a.b", "a\0", "é"])
PLACES = st.builds(Place, PARTS, PARTS, PARTS | st.text(max_size=4))

RING = keyring()


def belongs(scope: Scope, sealed: Place, found: Place) -> bool:
    """Say in plain words what each scope promises."""
    match scope:
        case Scope.STRICT:
            return sealed == found
        case Scope.NAMESPACE:
            return sealed.namespace == found.namespace
        case Scope.CLUSTER:
            return True


def opens(token: str, place: Place) -> bool:
    """Tell whether the token opens there; any other failure is a failure."""
    try:
        return RING.open(token, place) == b"value"
    except TokenNotOpened:
        return False


@pytest.mark.parametrize(("suite", "scope"), list(product(Suite, Scope)))
def test_a_token_opens_exactly_where_its_scope_says(suite: Suite, scope: Scope) -> None:
    pairs: Counter[bool] = Counter()

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(st.lists(PLACES, min_size=AT_ONCE, max_size=AT_ONCE, unique=True))
    def every_pair(places: list[Place]) -> None:
        tokens = [(place, seal(suite, scope, place, b"value")) for place in places]
        for (sealed, token), found in product(tokens, places):
            should = belongs(scope, sealed, found)
            assert opens(token, found) is should
            pairs[should] += 1

    every_pair()

    assert pairs.total() >= PAIRS_PER_WAY
    assert pairs[True] >= EXAMPLES
    assert scope is Scope.CLUSTER or pairs[False] >= EXAMPLES


@pytest.mark.parametrize("suite", Suite)
@pytest.mark.parametrize(
    ("sealed", "found"),
    [
        (Place("a", "b/c", "d"), Place("a/b", "c", "d")),
        (Place("a", "b", "c/d"), Place("a", "b/c", "d")),
        (Place("ab", "c", "d"), Place("a", "bc", "d")),
        (Place("a", "b", ""), Place("a", "", "b")),
        (Place("a", "b", "c"), Place("A", "b", "c")),
        (Place("a", "b", "c"), Place("a", "b", "c\0")),
        (Place("a", "b", "é"), Place("a", "b", "e\u0301")),
        (Place("a", "b", "c"), Place("", "", "")),
    ],
)
def test_places_that_join_alike_are_apart(
    suite: Suite, sealed: Place, found: Place
) -> None:
    token = seal(suite, Scope.STRICT, sealed, b"value")

    assert opens(token, sealed)
    assert not opens(token, found)
