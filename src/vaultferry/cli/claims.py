"""Finds, over all manifests, names and Secrets that more than one of them wants."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from vaultferry.core.schema import Fault, Path

Claim = tuple[str, str, str]
"""What is claimed, in which namespace, and its name."""


@dataclass
class Claims:
    """Who claimed what so far, each as file and line."""

    _by: dict[Claim, str] = field(default_factory=dict)

    def contested(self, body: Any, place: str) -> Iterator[Fault]:
        """Take in what a VaultSecret claims; yield what another one has claimed."""
        for path, claim, words in _claims(body):
            if claim in self._by:
                yield Fault(path, words.format(self._by[claim]))
                # Two of one name want one Secret as well: once is enough.
                return
            self._by[claim] = place


def _claims(body: Any) -> Iterator[tuple[Path, Claim, str]]:
    metadata = _mapping(body.get("metadata"))
    namespace, name = str(metadata.get("namespace", "")), str(metadata.get("name"))
    same = "is that of {}: write another name"
    yield ("metadata", "name"), ("VaultSecret", namespace, name), same
    target = _mapping(_mapping(body.get("spec")).get("target"))
    if target.get("creationPolicy") != "Merge":
        secret = str(target.get("name") or name)
        makes = "is a Secret that {} makes: write another spec.target.name"
        yield ("spec", "target", "name"), ("Secret", namespace, secret), makes


def _mapping(found: Any) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}
