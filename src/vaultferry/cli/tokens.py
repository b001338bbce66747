"""Finds sealed values in the text of manifests, and writes others in their place.

What stands around them stays as it is, byte for byte: comments, order, quotes, other
documents. So the text is cut where the YAML parser says that a value stands, and is
never written by a YAML library. JSON is YAML as well.
"""

from collections.abc import Iterable, Iterator, Sequence
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


@dataclass(frozen=True)
class Resource:
    """A VaultSecret: its sealed values, and what of its spec decides on them."""

    namespace: str
    name: str
    type_name: str
    method: str | None
    values: Sequence[Found]

    @property
    def tokens(self) -> dict[str, str]:
        """The tokens by field."""
        return {value.place.field: value.token for value in self.values}


def find(text: str, namespace: str | None) -> list[Resource]:
    """Return the VaultSecrets in a text that have sealed values.

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
        resource
        for document in documents
        for node in _resources(document)
        if (resource := _resource(text, node, namespace)).values
    ]
    starts = [value.start for resource in found for value in resource.values]
    if len(set(starts)) < len(starts):
        _refuse("an alias stands for several values: write each of them out")
    return found


def replaced(text: str, changes: Iterable[tuple[Found, str]]) -> str:
    """Return the text with other tokens in place of those found."""
    parts, end = [], 0
    for value, token in sorted(changes, key=lambda change: change[0].start):
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


def _resource(text: str, node: yaml.MappingNode, default: str | None) -> Resource:
    metadata, spec = _child(node, "metadata"), _child(node, "spec")
    name = _text(_child(metadata, "name"))
    namespace = _text(_child(metadata, "namespace")) or default or ""
    return Resource(
        namespace,
        name,
        _text(_child(spec, "type")),
        _text(_child(spec, "authMethod")) or None,
        tuple(_values(text, _child(spec, "sealed"), namespace, name)),
    )


def _values(
    text: str, sealed: yaml.Node | None, namespace: str, name: str
) -> Iterator[Found]:
    if sealed is None:
        return
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
