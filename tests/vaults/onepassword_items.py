"""What is in a fake 1Password."""

import base64
import hashlib
import hmac
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydantic import Base64Bytes, Field

from tests.vaults.vault import Kept

_CODE_SECONDS = 30


def id_of(text: str) -> str:
    """Return an id, always the same one for a text: 26 lower-case characters."""
    digest = hashlib.sha256(text.encode()).digest()[:16]
    return base64.b32encode(digest).decode().lower().rstrip("=")


class ItemField(Kept):
    """A field of an item."""

    label: str
    value: str = ""
    id: str = ""
    """Where it has none, its label is its id."""

    type: str = "CONCEALED"
    """`STRING`, `CONCEALED`, `OTP` with the address of a seed, `SSHKEY`, …"""

    purpose: str = ""
    section: str = ""
    """The id of a section of the item; nothing for none."""


class ItemFile(Kept):
    """A file of an item."""

    name: str
    content: Base64Bytes
    id: str = ""
    section: str = ""

    @property
    def uuid(self) -> str:
        """Its id, which it has in any case."""
        return self.id or id_of(self.name)


class Item(Kept):
    """An item. Titles need not be unique."""

    id: str = Field(pattern=r"^[\da-z]{26}$")
    title: str
    category: str = "API_CREDENTIAL"
    tags: list[str] = []
    version: int = 1
    state: str | None = None
    sections: dict[str, str] = {}
    """Labels by id."""

    fields: list[ItemField] = []
    files: list[ItemFile] = []

    def summary(self, vault: str) -> dict[str, Any]:
        """Return what a list says of it."""
        found = {
            "id": self.id,
            "title": self.title,
            "version": self.version,
            "vault": {"id": vault},
            "category": self.category,
            "lastEditedBy": id_of("someone"),
            "createdAt": "2026-01-01T00:00:00Z",
            "updatedAt": "2026-01-01T00:00:00Z",
        }
        return found | _given(tags=self.tags, state=self.state)

    def full(self, vault: str, now: float) -> dict[str, Any]:
        """Return what the item's own address says of it."""
        sections = [{"id": key, "label": text} for key, text in self.sections.items()]
        fields = [_field(each, now) for each in self.fields]
        files = [self.file(vault, each) for each in self.files]
        parts = _given(sections=sections, fields=fields, files=files)
        return self.summary(vault) | parts

    def file(self, vault: str, file: ItemFile) -> dict[str, Any]:
        """Return what is said of a file, without its content."""
        path = f"v1/vaults/{vault}/items/{self.id}/files/{file.uuid}/content"
        size = len(file.content)
        found = {"id": file.uuid, "name": file.name, "size": size, "content_path": path}
        return found | _given(section=_section(file.section))


class Place(Kept):
    """A vault of 1Password. Names need not be unique."""

    id: str = Field(pattern=r"^[\da-z]{26}$")
    name: str
    content_version: int = 1
    items: list[Item] = []

    def put(self, item: str, label: str, value: str) -> None:
        """Change a field as a person does: versions grow."""
        (found,) = (each for each in self.items if each.id == item)
        (field,) = (each for each in found.fields if each.label == label)
        field.value = value
        found.version += 1
        self.content_version += 1

    def document(self) -> dict[str, Any]:
        """Return what is said of the vault."""
        return {
            "id": self.id,
            "name": self.name,
            "attributeVersion": 1,
            "contentVersion": self.content_version,
            "items": len(self.items),
            "type": "USER_CREATED",
            "createdAt": "2026-01-01T00:00:00Z",
            "updatedAt": "2026-01-01T00:00:00Z",
        }


def code(seed: str, now: float) -> str:
    """Return the one-time code of the address of a seed (RFC 6238)."""
    secret = parse_qs(urlsplit(seed).query)["secret"][0]
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.digest(key, int(now // _CODE_SECONDS).to_bytes(8, "big"), "sha1")
    at = digest[-1] & 15
    number = int.from_bytes(digest[at : at + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**6:06}"


def _field(field: ItemField, now: float) -> dict[str, Any]:
    found = {
        "id": field.id or re.sub(r"\W", "_", field.label),
        "type": field.type,
        "label": field.label,
    }
    totp = code(field.value, now) if field.type == "OTP" else None
    more = {"value": field.value, "purpose": field.purpose, "totp": totp}
    return found | _given(section=_section(field.section), **more)


def _section(name: str) -> dict[str, str] | None:
    return {"id": name} if name else None


def _given(**parts: object) -> dict[str, Any]:
    """Return the parts that there are: Connect leaves out what is empty."""
    return {name: part for name, part in parts.items() if part}
