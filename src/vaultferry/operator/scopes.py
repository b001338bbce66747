"""What the operator serves: the whole cluster, or some namespaces."""

from collections.abc import Iterable, Sequence

from vaultferry.views import Key

Scopes = Sequence[str | None]
"""Each is listed and watched by itself: namespaces, or None for all of the cluster."""


def keys_within(scope: str | None, keys: Iterable[Key]) -> set[Key]:
    """Return those keys that are in a scope."""
    return {key for key in keys if scope in {None, key.namespace}}


def named(text: str, scope: str | None) -> str:
    """Return what to call something of a scope, for people."""
    return text if scope is None else f"{text} in {scope}"
