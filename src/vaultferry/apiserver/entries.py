"""What stands in kubeconfig files, merged as kubectl merges them."""

import os
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import yaml

from vaultferry.apiserver.credentials import Unusable
from vaultferry.apiserver.tls import Material

_LISTS = {"clusters": "cluster", "contexts": "context", "users": "user"}


@dataclass(frozen=True, repr=False)
class Entry:
    """A mapping in a kubeconfig, and where it stands."""

    where: str
    """Its kind, name and file, for errors."""

    content: Mapping[str, Any]

    folder: Path
    """Where its relative paths begin."""

    def text(self, key: str) -> str | None:
        """Return a text; None where it is absent or empty."""
        value = self.content.get(key) or None
        if not isinstance(value, str | None):
            raise self.wrong(key)
        return value

    def flag(self, key: str) -> bool:
        """Return whether something is so; it is not where it is absent."""
        value = self.content.get(key) or False
        if not isinstance(value, bool):
            raise self.wrong(key)
        return value

    def path(self, key: str) -> Path | None:
        """Return a path."""
        name = self.text(key)
        return None if name is None else self.folder / name

    def material(self, key: str) -> Material | None:
        """Return what stands under a key with `-data`, or the path without."""
        data = self.text(f"{key}-data")
        if data is None:
            return self.path(key)
        try:
            return b64decode(data)
        except ValueError:
            raise self.wrong(f"{key}-data") from None

    def each(self, key: str) -> Iterator["Entry"]:
        """Yield the mappings of a list."""
        for value in _list(self.content.get(key), self.where):
            if not isinstance(value, Mapping):
                raise self.wrong(key)
            yield Entry(f"{self.where}: {key}", value, self.folder)

    def within(self, key: str) -> "Entry | None":
        """Return the mapping under a key."""
        value = self.content.get(key)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise self.wrong(key)
        return Entry(f"{self.where}: {key}", value, self.folder)

    def texts(self, key: str) -> list[str]:
        """Return a list of texts."""
        values = _list(self.content.get(key), self.where)
        if not _all_texts(values):
            raise self.wrong(key)
        return values

    def wrong(self, key: str, why: str = "is not what it has to be") -> Unusable:
        """Return the error that something under a key cannot be used."""
        return Unusable(f"{self.where}: {key} {why}")


@dataclass(frozen=True, repr=False)
class Kubeconfig:
    """Files merged: of each name the first that has it counts, with all it says."""

    entries: Mapping[tuple[str, str], Entry]
    current: str | None

    def context(self, name: str | None) -> Entry:
        """Return a context; None: the current one."""
        named = name or self.current
        if named is None:
            raise Unusable("the kubeconfig has no current context")
        try:
            return self.entries["context", named]
        except KeyError:
            raise Unusable("the kubeconfig has no such context") from None

    def of(self, context: Entry, kind: str) -> Entry | None:
        """Return the cluster or the user that a context names."""
        name = context.text(kind)
        if name is None:
            return None
        try:
            return self.entries[kind, name]
        except KeyError:
            raise context.wrong(kind, "is in no kubeconfig") from None


def files(named: str | None, environ: Mapping[str, str] = os.environ) -> list[Path]:
    """Return the files that kubectl would read: one that is named, or its own."""
    if named:
        return [Path(named)]
    if listed := environ.get("KUBECONFIG"):
        paths = dict.fromkeys(listed.split(os.pathsep))
        return [Path(path) for path in paths if path]
    return [Path(environ.get("HOME", "/"), ".kube", "config")]


def read(paths: Sequence[Path]) -> Kubeconfig:
    """Read files; those that are not there count only where all are absent.

    Raises:
        Unusable: there is none, or one is no kubeconfig.
    """
    there = {path: content for path in paths if (content := _content(path)) is not None}
    if not there:
        raise Unusable(f"no kubeconfig at {' or '.join(map(str, paths))}")
    entries: dict[tuple[str, str], Entry] = {}
    current: str | None = None
    for path, content in there.items():
        whole = Entry(f"kubeconfig {path}", content, path.absolute().parent)
        current = current or whole.text("current-context")
        for key, entry in _entries(whole, path):
            entries.setdefault(key, entry)
    return Kubeconfig(entries, current)


def _content(path: Path) -> Mapping[str, Any] | None:
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, yaml.YAMLError):
        raise Unusable(f"kubeconfig {path} cannot be read") from None
    if content is None:
        return {}
    if not isinstance(content, Mapping):
        raise Unusable(f"kubeconfig {path} is none")
    return content


def _entries(whole: Entry, path: Path) -> Iterator[tuple[tuple[str, str], Entry]]:
    for plural, kind in _LISTS.items():
        for named in whole.each(plural):
            name = named.text("name")
            if name is None:
                raise named.wrong("name")
            body = named.within(kind)
            content = {} if body is None else body.content
            yield (kind, name), Entry(f"{kind} {name} of {path}", content, whole.folder)


def _list(value: object, where: str) -> list[Any]:
    if not isinstance(value, list | None):
        raise Unusable(f"{where} has something that is no list")
    return value or []


def _all_texts(values: list[Any]) -> TypeGuard[list[str]]:
    return all(isinstance(value, str) for value in values)
