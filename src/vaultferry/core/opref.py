"""References into 1Password: `op://<vault>/<item>/[<section>/]<field>[?<query>]`.

The grammar is that of 1Password's SDK, which has no percent-encoding:
https://developer.1password.com/docs/cli/secret-reference-syntax/
What its validator lets through and cannot be meant is refused here: empty parts, and
blanks at the end of one.
"""

import re
from dataclasses import dataclass
from typing import Literal

from vaultferry.core.errors import ReferenceInvalid

Attribute = Literal["otp", "openssh"]

SHAPE = "op://VAULT/ITEM/FIELD or op://VAULT/ITEM/SECTION/FIELD"
ITEM_SHAPE = "op://VAULT/ITEM"

_PREFIX = "op://"
_PART = re.compile(r"[-A-Za-z0-9_. ]+")
_QUERIES: dict[str, Attribute] = {
    "attribute=otp": "otp",
    "attribute=totp": "otp",
    "ssh-format=openssh": "openssh",
}


@dataclass(frozen=True)
class OpReference:
    """What a reference names: each part by its name or by its id.

    `field` may be the name of a file. `attribute` is what to make of the field: the
    present one-time password, or an SSH key in OpenSSH's format.
    """

    vault: str
    item: str
    section: str | None
    field: str
    attribute: Attribute | None


def parse(text: str) -> OpReference:
    """Read a reference.

    Raises:
        ReferenceInvalid: it is none, and what to write; the text is not repeated.
    """
    path, question, query = text.partition("?")
    if not path.startswith(_PREFIX):
        raise ReferenceInvalid(f"a reference to 1Password begins with op://: {SHAPE}")
    parts = path.removeprefix(_PREFIX).split("/")
    if len(parts) not in {3, 4}:
        raise ReferenceInvalid(
            f"a reference to 1Password has three or four parts: write {SHAPE}"
        )
    _check(parts)
    vault, item, *section, field = parts
    attribute = _attribute(query) if question else None
    return OpReference(vault, item, section[0] if section else None, field, attribute)


def parse_item(text: str) -> tuple[str, str]:
    """Read a reference to a whole item; return its vault and the item.

    Raises:
        ReferenceInvalid: it is none, and what to write; the text is not repeated.
    """
    parts = text.removeprefix(_PREFIX).split("/")
    if not text.startswith(_PREFIX) or len(parts) != len(_NAMES[2]):
        raise ReferenceInvalid(f"a whole item of 1Password is written {ITEM_SHAPE}")
    _check(parts)
    vault, item = parts
    return vault, item


def _check(parts: list[str]) -> None:
    for name, part in zip(_NAMES[len(parts)], parts, strict=True):
        if part != part.strip(" ") or not part:
            raise ReferenceInvalid(
                f"the {name} in a reference to 1Password is empty, or has a blank "
                f"before or after it: write {SHAPE}"
            )
        if not _PART.fullmatch(part):
            raise ReferenceInvalid(
                f"the {name} in a reference to 1Password may have letters, digits, "
                "blanks, and - _ . only: write its id instead of its name"
            )


_NAMES = {
    2: ("vault", "item"),
    3: ("vault", "item", "field"),
    4: ("vault", "item", "section", "field"),
}


def _attribute(query: str) -> Attribute:
    known = _QUERIES.get(query)
    if known is None:
        raise ReferenceInvalid(
            "after the ? of a reference to 1Password, write attribute=otp or "
            "ssh-format=openssh; other attributes are known to its command line only"
        )
    return known
