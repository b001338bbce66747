"""What a reference into 1Password means, whoever answers it."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from vaultferry.core import openssh, opitem, opref
from vaultferry.core.document import Document, Wanted
from vaultferry.core.errors import ReferenceInvalid, ValueInvalid
from vaultferry.core.model import Model
from vaultferry.core.opitem import Entry

_ID = re.compile(r"[0-9a-z]{26}")
_CODES = "?otp"
_OPENSSH = "?openssh"


def is_id(text: str) -> bool:
    """Tell whether a text may be the id of a vault or an item, as a name also may."""
    return _ID.fullmatch(text) is not None


class Place(NamedTuple):
    """An item, by name or id, or the one-time codes of one."""

    vault: str
    item: str
    is_codes: bool

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Read a place as `find` writes it."""
        names, mark, _ = text.partition(_CODES)
        vault, item = names.split("/")
        return cls(vault, item, bool(mark))


class Titled(NamedTuple):
    """What is kept of the thousands of items that a vault may have."""

    id: str
    title: str


def check_single(ids: Sequence[str], what: str) -> None:
    """Check that a name means no more than one thing.

    Args:
        ids: of all that it means.
        what: that is, with its verb.

    Raises:
        ReferenceInvalid: it means several.
    """
    if len(ids) > 1:
        shown = opitem.listed(ids)
        raise ReferenceInvalid(f"several {what} so: write the id of one: {shown}")


def find(settings: Model, reference: str) -> Wanted:
    """Return what a reference means; see `Provider`."""
    found = opref.parse(reference)
    place = _place(found.vault, found.item)
    # Codes change by themselves, so who wants one has a place that others do not share.
    place += _CODES if found.attribute == "otp" else ""
    key = "/".join(part for part in (found.section, found.field) if part)
    key += _OPENSSH if found.attribute == "openssh" else ""
    return Wanted(place, key, canonical(settings, place, ""))


def whole(settings: Model, path: str) -> str:
    """Return the place of a whole item; see `Provider`."""
    del settings
    return _place(*opref.parse_item(path))


def _place(vault: str, item: str) -> str:
    return f"{vault}/{item}".lower()


def canonical(settings: Model, place: str, key: str) -> str:
    """Return how canonical references begin there: as far as names are known."""
    del settings, key
    vault, item, _ = Place.parse(place)
    if is_id(vault):
        return ""
    return f"{vault}/" if is_id(item) else f"{vault}/{item}/"


def pick(document: Document, key: str) -> bytes | None:
    """Return the value of a key; see `Provider`."""
    name, mark, _ = key.partition(_OPENSSH)
    entry = opitem.locate(document, name)
    value = document.values.get(entry.key) if entry else None
    if entry is None or value is None:
        return None
    if entry.is_left:
        raise ReferenceInvalid(
            f"the file {opitem.listed([entry.shown])} is not fetched: it has more than "
            f"{opitem.LARGEST_FILE // 1024} KiB, or the item more than "
            f"{opitem.MOST_FILES} files"
        )
    return _converted(value, entry) if mark else value


def _converted(value: bytes, entry: Entry) -> bytes:
    key = openssh.converted(value)
    if key is None:
        shown = opitem.listed([entry.shown])
        raise ValueInvalid(f"the field {shown} holds no private key in PKCS #8")
    return key


def origin(document: Document, key: str) -> str | None:
    """Return where the value of a key is from, by names; see `Provider`."""
    entry = opitem.locate(document, key.partition(_OPENSSH)[0])
    return document.origins[entry.key] if entry else None
