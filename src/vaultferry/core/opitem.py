"""What an item of 1Password holds, and what a reference means in it.

A section is meant by its id or its label, a field by its id, its label or, if it is a
file, its name; capital and small letters are the same. A field goes before a file, what
is in no section before what is in one where the reference names none, and an id before
a label, so that everything can be named for sure. What is then still meant twice is an
error, never the first of the two.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from vaultferry.core.document import Document
from vaultferry.core.errors import ReferenceInvalid
from vaultferry.core.model import Model

LARGEST_FILE = 256 * 1024
MOST_FILES = 16

_LEFT = "not fetched"
_SHOWN = 10
_SHOWN_CHARACTERS = 64


T = TypeVar("T")


class Identified(Model):
    """What has an id."""

    id: str


class Section(Identified):
    """A section of an item."""

    label: str | None = None


class Field(Identified):
    """A field of an item."""

    label: str | None = None
    value: str | None = None
    totp: str | None = None
    """The present one-time code, where the value is the seed of such codes."""

    section: Identified | None = None


class File(Identified):
    """A file of an item, without what is in it."""

    name: str | None = None
    size: int = 0
    section: Identified | None = None


class Summary(Identified):
    """What a list says of an item."""

    title: str
    state: str | None = None

    @property
    def is_gone(self) -> bool:
        """Whether it is in use no more."""
        return self.state in {"ARCHIVED", "DELETED"}

    def is_called(self, name: str) -> bool:
        """Tell whether that is its id or its title."""
        return is_same(self.id, name) or is_same(self.title, name)


class Item(Summary):
    """An item, as Connect answers it: what is empty is left out, or null."""

    version: int
    sections: list[Section] | None = None
    fields: list[Field] | None = None
    files: list[File] | None = None

    def fetchable(self) -> tuple[str, ...]:
        """Return the ids of the files that are not too large, nor too many."""
        first = (self.files or [])[:MOST_FILES]
        return tuple(file.id for file in first if file.size <= LARGEST_FILE)


@dataclass(frozen=True)
class Entry:
    """A field or a file, without what is in it."""

    id: str
    label: str
    section: str | None
    """The id of its section; None: it is in none."""

    section_label: str
    is_file: bool
    is_left: bool = False
    """Whether it is a file that was not fetched."""

    key: str = ""
    """Its key in the document, be there a value or not."""

    @property
    def shown(self) -> str:
        """Its id, with that of its section."""
        return self.id if self.section is None else f"{self.section}/{self.id}"


@dataclass(frozen=True, repr=False)
class ItemDocument(Document):
    """What an item held; `entries` tells of all that is in it, also what is empty."""

    entries: tuple[Entry, ...] = ()


_Held = tuple[Entry, bytes | None]


def document(
    vault: str, item: Item, contents: Mapping[str, bytes], tag: str
) -> ItemDocument:
    """Return what an item holds.

    Args:
        vault: the name of its vault.
        item: the item.
        contents: what is in its files, by id; those that are not there were left.
        tag: by which a change is noticed.

    Raises:
        ValueError: two things have one id.
    """
    labels = _labels(item)
    fields = [(_field(each, labels), each.value) for each in item.fields or ()]
    held: list[_Held] = [(e, value.encode() if value else None) for e, value in fields]
    held += [_file(each, labels, contents) for each in item.files or ()]
    return _document(vault, item, held, tag)


def codes(vault: str, item: Item) -> ItemDocument:
    """Return the present one-time codes of an item.

    Args:
        vault: the name of its vault.
        item: the item.

    Raises:
        ValueError: two things have one id.
    """
    labels = _labels(item)
    fields = [(_field(each, labels), each.totp) for each in item.fields or ()]
    held = [(entry, code.encode() if code else None) for entry, code in fields]
    return _document(vault, item, held, None)


def locate(found: Document, reference: str) -> Entry | None:
    """Return what a reference means in an item; None where there is no such thing.

    Args:
        found: what the item holds.
        reference: the field, or section and field with a `/` between.

    Raises:
        ReferenceInvalid: several things are meant.
    """
    section, _, name = reference.rpartition("/")
    entries = found.entries if isinstance(found, ItemDocument) else ()
    meant = _meant(_within(entries, section), name)
    if len(meant) > 1:
        raise ReferenceInvalid(
            f"several things in the item are called {name!r}: write the id of one, "
            f"with that of its section: {listed(each.shown for each in meant)}"
        )
    return meant[0] if meant else None


class Names(Generic[T]):
    """Things by their ids and by what they are called."""

    def __init__(
        self,
        things: Iterable[T],
        identify: Callable[[T], str],
        label: Callable[[T], str],
    ) -> None:
        self._ids: dict[str, list[T]] = {}
        self._labels: dict[str, list[T]] = {}
        for thing in things:
            self._ids.setdefault(identify(thing).casefold(), []).append(thing)
            self._labels.setdefault(label(thing).casefold(), []).append(thing)

    def meant(self, name: str) -> list[T]:
        """Return what a name means: what has it as its id, else what is called so."""
        folded = name.casefold()
        return self._ids.get(folded) or self._labels.get(folded) or []


def is_same(one: str, other: str) -> bool:
    """Tell whether two names are the same to 1Password."""
    return one.casefold() == other.casefold()


def listed(ids: Iterable[str]) -> str:
    """Return ids for a message: whoever wrote them may have written anything."""
    every = tuple(ids)
    shown = ", ".join(ascii(each[:_SHOWN_CHARACTERS]) for each in every[:_SHOWN])
    more = len(every) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def segment(name: str) -> str:
    """Return a name as a segment of a canonical reference."""
    return name.replace("%", "%25").replace("/", "%2F")


def _labels(item: Item) -> Mapping[str, str]:
    return {section.id: section.label or "" for section in item.sections or ()}


def _field(field: Field, labels: Mapping[str, str]) -> Entry:
    section = field.section.id if field.section else None
    name = labels.get(section, "") if section else ""
    return Entry(field.id, field.label or field.id, section, name, is_file=False)


def _file(
    file: File, labels: Mapping[str, str], contents: Mapping[str, bytes]
) -> _Held:
    section = file.section.id if file.section else None
    name = labels.get(section, "") if section else ""
    left = file.id not in contents
    label = file.name or file.id
    entry = Entry(file.id, label, section, name, is_file=True, is_left=left)
    # What was left has a key that no Secret takes, so that nobody misses it in silence.
    return entry, b"" if left else contents[file.id] or None


def _document(
    vault: str, item: Item, held: Sequence[_Held], tag: str | None
) -> ItemDocument:
    times = Counter(_plain(entry) for entry, _ in held)
    keyed = [(_keyed(entry, times), value) for entry, value in held]
    values = {entry.key: value for entry, value in keyed if value is not None}
    entries = tuple(entry for entry, _ in keyed)
    if len({entry.key for entry in entries}) < len(entries):
        raise ValueError("two things have one id")
    place = f"{segment(vault)}/{segment(item.title)}"
    origins = {e.key: f"{place}/{'/'.join(_segments(e))}" for e in entries}
    return ItemDocument(values, tag, origins, entries)


def _keyed(entry: Entry, times: Mapping[str, int]) -> Entry:
    plain = _plain(entry)
    notes = [entry.shown] if times[plain] > 1 else []
    notes += [_LEFT] if entry.is_left else []
    return replace(entry, key=" ".join([plain, *(f"({note})" for note in notes)]))


def _plain(entry: Entry) -> str:
    """Return the key of what is alone in being called so."""
    return (
        f"{entry.section_label}.{entry.label}" if entry.section_label else entry.label
    )


def _segments(entry: Entry) -> Iterator[str]:
    """Yield the names in the canonical form; a section without a label is its id."""
    if entry.section is not None:
        yield segment(entry.section_label or entry.section)
    yield segment(entry.label)


def _within(entries: Sequence[Entry], section: str) -> list[Entry]:
    """Return what is in a section; without one, everything."""
    if not section:
        return list(entries)
    inside = [entry for entry in entries if entry.section is not None]
    return Names(
        inside, lambda entry: entry.section or "", lambda entry: entry.section_label
    ).meant(section)


def _meant(entries: Sequence[Entry], name: str) -> list[Entry]:
    """Return what a name means, by the first rule by which it means anything."""
    for is_file in (False, True):
        of_kind = [entry for entry in entries if entry.is_file is is_file]
        outside = [entry for entry in of_kind if entry.section is None]
        for among in (outside, of_kind):
            names = Names(among, lambda entry: entry.id, lambda entry: entry.label)
            if meant := names.meant(name):
                return meant
    return []
