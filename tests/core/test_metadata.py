import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaultferry.core.errors import MetadataNotAllowed
from vaultferry.core.metadata import DEFAULT_PREFIXES, check_allowed, record, recorded
from vaultferry.core.secret import METADATA

KEYS = st.sets(st.text(max_size=5), max_size=4)


@pytest.mark.parametrize(
    "key", ["team", "a.b_c", "app.kubernetes.io/name", "app.kubernetes.io/part-of"]
)
def test_keys_without_a_prefix_and_app_keys_are_allowed(key: str) -> None:
    check_allowed([key], DEFAULT_PREFIXES)


REFUSED = [
    "kubernetes.io/x",
    "node.kubernetes.io/x",
    "kubectl.kubernetes.io/last-applied-configuration",
    "app.kubernetes.io.evil.example/x",
    "app.kubernetes.io/x/y",
    "argocd.argoproj.io/tracking-id",
    "vaultferry.dev/owner",
    "merge.vaultferry.dev/x",
    "example.com/x",
]


@pytest.mark.parametrize("key", REFUSED)
def test_other_prefixes_are_refused_by_default(key: str) -> None:
    with pytest.raises(MetadataNotAllowed, match=key):
        check_allowed(["team", key], DEFAULT_PREFIXES)


def test_a_prefix_can_be_allowed() -> None:
    check_allowed(["example.com/x"], ["example.com"])


NEVER = {
    "ours": "vaultferry.dev",
    "ours, below": "merge.vaultferry.dev",
    "Argo CD": "argocd.argoproj.io",
    "Kubernetes": "kubernetes.io",
    "kubectl": "kubectl.kubernetes.io",
}


@pytest.mark.parametrize("prefix", NEVER.values(), ids=NEVER)
def test_some_prefixes_are_refused_whatever_is_configured(prefix: str) -> None:
    with pytest.raises(MetadataNotAllowed, match="or with none"):
        check_allowed([f"{prefix}/x"], [prefix])


@pytest.mark.parametrize(
    ("prefixes", "words"),
    [((), "none"), (("b.io", "a.io"), "a.io, b.io")],
    ids=["nothing", "two"],
)
def test_a_refusal_says_what_is_allowed(prefixes: tuple[str, ...], words: str) -> None:
    with pytest.raises(MetadataNotAllowed, match=f"use keys .* or with {words}$"):
        check_allowed(["example.com/x"], prefixes)


@given(KEYS, KEYS)
def test_what_is_recorded_is_read_back(labels: set[str], annotations: set[str]) -> None:
    assert recorded({METADATA: record(labels, annotations)}) == (labels, annotations)


GARBLED = {
    "absent": {},
    "no JSON": {METADATA: "{"},
    "no object": {METADATA: "[]"},
    "no lists": {METADATA: '{"labels": "team", "annotations": {"team": 1}}'},
    "no keys": {METADATA: '{"labels": [1, null, {}]}'},
    "too deep": {METADATA: "[" * 100_000},
    "an endless number": {METADATA: "1" * 100_000},
}


@pytest.mark.parametrize("annotations", GARBLED.values(), ids=GARBLED)
def test_a_garbled_record_lists_nothing(annotations: dict[str, str]) -> None:
    assert recorded(annotations) == (set(), set())


def test_a_record_is_compact_and_in_order() -> None:
    assert json.loads(record("ba", "c")) == {"annotations": ["c"], "labels": ["a", "b"]}
    assert record(["b", "a"], []) == '{"labels":["a","b"]}'
