"""Manifests in files, read as kubectl reads them, with the line of each field."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

from vaultferry.core.schema import Path

_DROPPED = "tag:yaml.org,2002:timestamp"
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+\Z")
_BOOL = re.compile(r"[yYnN]\Z")


class _Loader(yaml.SafeLoader):
    """Takes plain text for what kubectl's reader takes it for; see `manifest.py`."""

    yaml_implicit_resolvers = {
        first: [(tag, form) for tag, form in known if tag != _DROPPED]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    bool_values = {**yaml.SafeLoader.bool_values, "y": True, "n": False}


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", _BOOL, list("yYnN"))


Doubles = list[tuple[int, str]]
"""The keys that are there twice, each with its line: readers take different ones."""


@dataclass(frozen=True)
class Document:
    """One object of a file."""

    body: Any
    node: Node
    doubles: Doubles
    path: Path = ()
    """Where in the document it is: a list holds several."""

    def line(self, path: Path) -> int:
        """Return the line of a field, or of the nearest above it that is there."""
        node = at = self.node
        for step in (*self.path, *path):
            found = _child(node, step)
            if found is None:
                break
            at, node = found
        return cast("int", at.start_mark.line) + 1


class NotYaml(Exception):
    """A file cannot be read as YAML from some line on."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line}")
        self.line = line


def read(text: str) -> list[Document]:
    """Return the objects in a file, those in lists too.

    Raises:
        NotYaml: it is none.
    """
    try:
        documents = list(_documents(_Loader(text)))
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
    except (ValueError, RecursionError):
        line = 1
    else:
        return [each for document in documents for each in _objects(document)]
    raise NotYaml(line)


def _documents(loader: _Loader) -> Iterator[Document]:
    while loader.check_node():
        yield _document(loader, cast("Node", loader.get_node()))


def _document(loader: _Loader, node: Node) -> Document:
    reading = _Reading(loader)
    return Document(reading.value(node), node, reading.doubles)


class _Reading:
    """Makes values of nodes; what has an alias is read once."""

    def __init__(self, loader: _Loader) -> None:
        self._loader = loader
        self._known: dict[int, Any] = {}
        self.doubles: Doubles = []

    def value(self, node: Node) -> Any:
        if id(node) not in self._known:
            self._known[id(node)] = self._fresh(node)
        return self._known[id(node)]

    def _fresh(self, node: Node) -> Any:
        if isinstance(node, SequenceNode):
            return [self.value(inner) for inner in node.value]
        if isinstance(node, MappingNode):
            return self._mapping(node)
        return self._loader.construct_object(node)

    def _mapping(self, node: MappingNode) -> dict[str, Any]:
        """Read a mapping; its keys are text, as in JSON."""
        if not all(isinstance(key, ScalarNode) for key, _ in node.value):
            raise NotYaml(node.start_mark.line + 1)
        names = [str(key.value) for key, _ in node.value]
        self.doubles += [
            (key.start_mark.line + 1, name)
            for place, (name, (key, _)) in enumerate(
                zip(names, node.value, strict=True)
            )
            if name in names[:place]
        ]
        self._loader.flatten_mapping(node)
        return {str(key.value): self.value(inner) for key, inner in node.value}


def _objects(document: Document) -> Iterator[Document]:
    body = document.body
    items = body.get("items") if isinstance(body, dict) else None
    if not isinstance(items, list) or not str(body.get("kind")).endswith("List"):
        yield document
        return
    for place, item in enumerate(items):
        yield Document(item, document.node, document.doubles, ("items", place))


def _child(node: Node, step: str | int) -> tuple[Node, Node] | None:
    """Return the key and the value of a step down; in a list, the entry for both."""
    if isinstance(node, SequenceNode) and isinstance(step, int):
        entry = node.value[step]
        return entry, entry
    if isinstance(node, MappingNode):
        for key, value in reversed(node.value):
            if key.value == step:
                return key, value
    return None
