"""What client-side apply remembers keeps its keys and loses its values."""

import json
from typing import Any

import pytest

from tests.patches import merge_patched
from vaultferry.core.errors import InvalidSpec
from vaultferry.core.lastapplied import cleaned

CANARY = "canary-value"


def manifest(**spec: Any) -> dict[str, Any]:
    return {
        "kind": "VaultSecret",
        "apiVersion": "vaultferry.dev/v1alpha1",
        "metadata": {"name": "db", "annotations": {"ä": "<&>"}},
        "spec": {"type": "opaque", **spec},
    }


def test_plaintext_becomes_the_names_of_the_tokens() -> None:
    text = json.dumps(manifest(credentials={"b": CANARY, "a": CANARY}))

    clean = cleaned(text)

    assert CANARY not in clean
    assert json.loads(clean) == manifest(sealed={"a": "", "b": ""})


def test_equal_manifests_give_equal_texts() -> None:
    one = manifest(credentials={"a": "1", "b": "2"})
    other = manifest(credentials={"b": "3", "a": "4"})

    assert cleaned(json.dumps(one, indent=2)) == cleaned(json.dumps(other))
    assert cleaned(json.dumps(one)).startswith(
        '{"apiVersion":"vaultferry.dev/v1alpha1"'
    )
    assert cleaned(json.dumps(one)).endswith('"type":"opaque"}}\n')


def test_cleaned_twice_it_is_the_same() -> None:
    clean = cleaned(json.dumps(manifest(credentials={"a": CANARY})))

    assert cleaned(clean) == clean


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(manifest(sealed={"a": "vf1.x"}), indent=1),
        json.dumps({"kind": "VaultSecret"}),
        json.dumps({"spec": "text"}),
    ],
)
def test_what_holds_no_plaintext_stays_as_it_is(text: str) -> None:
    assert cleaned(text) == text


@pytest.mark.parametrize("credentials", [None, CANARY, [CANARY]])
def test_plaintext_that_is_no_map_leaves_no_names(credentials: Any) -> None:
    clean = cleaned(json.dumps(manifest(credentials=credentials)))

    assert json.loads(clean) == manifest(sealed={})


@pytest.mark.parametrize(
    "text",
    [
        "",
        CANARY,
        "[]",
        "7",
        "[" * 100_000,
        json.dumps(manifest(credential={"a": CANARY})),
        json.dumps(manifest(credentials={"a": "x"}, Credentials={"a": CANARY})),
    ],
    ids=["empty", "a text", "a list", "a number", "deep", "misspelt", "a capital"],
)
def test_what_might_hide_a_value_is_refused(text: str) -> None:
    with pytest.raises(InvalidSpec) as refusal:
        cleaned(text)

    assert CANARY not in str(refusal.value)


def three_way(remembered: str, now: dict[str, Any], live: dict[str, Any]) -> Any:
    """Return what client-side apply makes of an object, as kubectl does it."""
    gone = _removed(json.loads(remembered), now)
    return merge_patched(merge_patched(live, gone), now)


def _removed(before: Any, after: Any) -> dict[str, Any]:
    if not isinstance(after, dict):
        return {}
    nulls = {key: None for key in before if key not in after}
    nested = {k: v for k, v in before.items() if k in after and isinstance(v, dict)}
    return nulls | {k: _removed(v, after[k]) for k, v in nested.items()}


def test_the_next_apply_takes_the_tokens_of_another_source_away() -> None:
    remembered = cleaned(json.dumps(manifest(credentials={"a": "1", "b": "2"})))
    live = manifest(sealed={"a": "vf1.a", "b": "vf1.b"})

    own = three_way(remembered, manifest(sealed={"a": "vf1.own"}), live)
    moved = three_way(remembered, manifest(connectionRef={"name": "x"}), live)
    again = three_way(remembered, manifest(credentials={"a": "1"}), live)

    assert own["spec"]["sealed"] == {"a": "vf1.own"}
    assert "sealed" not in moved["spec"]
    assert again["spec"] == {"type": "opaque", "credentials": {"a": "1"}}
