"""Finds sealed values in the text of manifests, and writes others in their place.

What stands around them stays as it is, byte for byte: comments, order, quotes, other
documents. So the text is cut where the YAML parser says that a value stands, and is
never written by a YAML library. JSON is YAML as well.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

import yaml

from vaultferry.cli.refusal import Refused
from vaultferry.core.model import GROUP
from vaultferry.core.sealing import Place
from vaultferry.core.vaultsecret import KIND

_MERGE = "tag:yaml.org,2002:merge"


@dataclass(frozen=True)
class Found:
    """A sealed value, where it belongs, and where in the text it stands."""

    place: Place
    token: str
    start: int


def find(text: str, namespace: str | None) -> list[Found]:
    """Return the sealed values of all VaultSecrets in a text, from top to bottom.

    Args:
        text: YAML or JSON, with any number of documents, Lists among them.
        namespace: of the VaultSecrets that name none.

    Raises:
        Refused: the text is no YAML, or has a value where it cannot be exchanged.
    """
    try:
        documents = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        _refuse(f"line {mark.line + 1 if mark else '?'}: no YAML")
    except yaml.YAMLError:
        _refuse("no YAML")
    found = [
        value
        for document in documents
        for resource in _resources(document)
        for value in _values(text, resource, namespace)
    ]
    if len({value.start for value in found}) < len(found):
        _refuse("an alias stands for several values: write each of them out")
    return sorted(found, key=lambda value: value.start)


def replaced(text: str, changes: Sequence[tuple[Found, str]]) -> str:
    """Return the text with other tokens in place of those found, from top to bottom."""
    parts, end = [], 0
    for value, token in changes:
        parts += [text[end : value.start], token]
        end = value.start + len(value.token)
    return "".join([*parts, text[end:]])


def _resources(node: yaml.Node | None) -> Iterator[yaml.MappingNode]:
    """Yield the VaultSecrets of a document."""
    if not isinstance(node, yaml.MappingNode):
        return
    kind = _text(_child(node, "kind"))
    if kind == KIND and _text(_child(node, "apiVersion")).startswith(f"{GROUP}/"):
        yield node
    items = _child(node, "items")
    if kind.endswith("List") and isinstance(items, yaml.SequenceNode):
        for item in items.value:
            yield from _resources(item)


def _values(
    text: str, resource: yaml.MappingNode, default: str | None
) -> Iterator[Found]:
    sealed = _child(_child(resource, "spec"), "sealed")
    if sealed is None:
        return
    metadata = _child(resource, "metadata")
    name = _text(_child(metadata, "name"))
    namespace = _text(_child(metadata, "namespace")) or default
    if not isinstance(sealed, yaml.MappingNode):
        _refuse(f"VaultSecret {name}: spec.sealed is no map")
    if not namespace:
        _refuse(f"VaultSecret {name}: no metadata.namespace; --namespace gives it")
    for field, value in _pairs(sealed):
        place = Place(namespace, name, field)
        yield Found(place, _text(value), _start(text, place, value))


def _start(text: str, place: Place, node: yaml.Node) -> int:
    token = _text(node)
    written = text[node.start_mark.index : node.end_mark.index]
    if not token or written.count(token) != 1:
        _refuse(
            f"VaultSecret {place.name}: field {place.field} is not written as one "
            "piece of text on one line"
        )
    return int(node.start_mark.index) + written.index(token)


def _child(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    found = [value for name, value in _pairs(node) if name == key]
    if len(found) > 1:
        _refuse(f"line {node.start_mark.line + 1}: {key} is there twice")
    return found[0] if found else None


def _pairs(node: yaml.MappingNode) -> list[tuple[str, yaml.Node]]:
    if any(key.tag == _MERGE for key, _ in node.value):
        _refuse(f"line {node.start_mark.line + 1}: << is not understood here")
    return [(_text(key), value) for key, value in node.value]


def _text(node: yaml.Node | None) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def _refuse(words: str) -> NoReturn:
    raise Refused(words) from None
