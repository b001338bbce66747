"""What one identity finds in one project of a fake Infisical."""

import datetime as dt
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.vaults.infisical_state import (
    Folder,
    Import,
    Project,
    Refused,
    Rule,
    Secret,
    id_of,
    normal,
)

HIDDEN = "<hidden-by-infisical>"
_REFERENCE = re.compile(r"\$\{([^}]+)\}")

Item = dict[str, Any]
Place = tuple[str, str]
"""Environment and path."""

Looks = Callable[[str], tuple[Place, Secret] | None]
"""Finds what a name without dots refers to."""


@dataclass(frozen=True)
class Wish:
    """What is asked for."""

    environment: str
    path: str
    """As it was spelt."""

    expand: bool
    imports: bool
    recursive: bool
    values: bool
    is_v4: bool


@dataclass(frozen=True)
class Reading:
    """One reading, by an identity with these rules."""

    project: Project
    rules: list[Rule]
    wish: Wish

    @property
    def place(self) -> Place:
        """Where is looked first."""
        return self.wish.environment, normal(self.wish.path)

    def listed(self, wanted: Callable[[Secret], bool]) -> dict[str, list[Item]]:
        """Return secrets and imports of a folder."""
        if self.wish.environment not in self.project.environments:
            error = "NotFound" if self.wish.recursive else "SecretPathNotFound"
            raise Refused(404, error, "Environment not found")
        base = self.place[1]
        self._folder(self.place, "SecretPathNotFound")
        paths = [base]
        if self.wish.recursive:
            paths = self.project.below(self.wish.environment, base)
        secrets: list[Item] = []
        imports: list[Item] = []
        for path in paths:
            place = self.wish.environment, path
            secrets += self._own(place, base, wanted)
            imports += self._imports(place) if self.wish.imports else []
        return {"secrets": secrets, "imports": imports}

    def one(self, name: str) -> tuple[Place, Secret]:
        """Return one secret, and where it is."""
        place = self.place
        self._folder(place, "GetSecretByName")
        if not self._may(place, name):
            rules = [each.model_dump() for each in self.rules]
            raise Refused(403, "PermissionDenied", "You are not allowed", rules)
        found = self._looks_like_a_client(place)(name)
        if found is None:
            raise Refused(404, "NotFound", f"Secret {name} not found")
        if self.wish.values and not self._may(found[0], name, read=True):
            raise Refused(403, "ForbiddenReadSecretError", "You may not read it", [])
        return found

    def item(self, place: Place, name: str, secret: Secret, spelt: str) -> Item:
        """Return what is said of a secret of a folder itself."""
        # What comes from somewhere else is expanded in any case.
        is_own = self.wish.recursive or place == self.place
        expand = self.wish.expand or not is_own
        value = self._value(secret, self._looks(place), expand=expand)
        meta = [
            {"key": key, "value": text, "isEncrypted": False}
            for key, text in secret.metadata.items()
        ]
        moment = dt.datetime.fromtimestamp(secret.updated_at, dt.UTC)
        return {
            **self._head(self.project.id, place, name, secret),
            **value,
            "secretComment": secret.comment,
            "secretReminderNote": None,
            "secretReminderRepeatDays": None,
            "skipMultilineEncoding": False,
            "createdAt": "2026-01-01T00:00:00.000Z",
            "updatedAt": moment.isoformat(timespec="milliseconds")[:-6] + "Z",
            "isRotatedSecret": False,
            "rotationId": None,
            "secretPath": spelt,
            "secretMetadata": meta,
            "tags": [
                {"id": id_of(tag), "slug": tag, "color": "#ff0000", "name": tag}
                for tag in secret.tags
            ],
        }

    def _own(
        self, place: Place, base: str, wanted: Callable[[Secret], bool]
    ) -> Iterator[Item]:
        folder = self.project.folder(*place) or Folder()
        spelt = _spelt(self.wish.path, base, place[1])
        for name, secret in sorted(folder.secrets.items()):
            if not self._may(place, name) or not wanted(secret):
                continue
            if self.wish.values and not self._may(place, name, read=True):
                raise Refused(403, "PermissionDenied", "You may not read values", [])
            yield self.item(place, name, secret, spelt)

    def _imports(self, place: Place) -> Iterator[Item]:
        folder = self.project.folder(*place) or Folder()
        for each in folder.imports:
            source = each.environment, normal(each.path)
            entry = {"secretPath": source[1], "environment": source[0]}
            if self.project.folder(*source) is None:
                yield {**entry, "secrets": []}
                continue
            folder_id = id_of(self.project.id, *source)
            secrets = [
                self._imported(found, name, secret, place)
                for name, (found, secret) in sorted(self._folded(each, set()).items())
            ]
            yield {**entry, "folderId": folder_id, "secrets": secrets}

    def _imported(
        self, source: Place, name: str, secret: Secret, importing: Place
    ) -> Item:
        # In a list of version 4 a reference sees what the importing folder sees.
        looks = (
            self._looks_like_a_client(importing)
            if self.wish.is_v4
            else self._looks(source)
        )
        return {
            **self._head("", source, name, secret),
            **self._value(secret, looks, expand=True),
            "secretComment": secret.comment,
            "skipMultilineEncoding": False,
            "isRotatedSecret": False,
            "secretMetadata": [],
        }

    def _folded(
        self, imported: Import, met: set[Place]
    ) -> dict[str, tuple[Place, Secret]]:
        """Return what an import brings; what its source imports is put under it."""
        source = imported.environment, normal(imported.path)
        folder = self.project.folder(*source)
        if folder is None or source in met:
            return {}
        found: dict[str, tuple[Place, Secret]] = {}
        for inner in folder.imports:
            found |= self._folded(inner, {*met, source})
        own = folder.secrets.items()
        return found | {
            name: (source, secret)
            for name, secret in own
            if self._may(source, name, read=self.wish.values)
        }

    def _looks(self, place: Place) -> Looks:
        """Look in one folder."""
        folder = self.project.folder(*place) or Folder()

        def looked(name: str) -> tuple[Place, Secret] | None:
            secret = folder.secrets.get(name)
            return None if secret is None else (place, secret)

        return looked

    def _looks_like_a_client(self, place: Place) -> Looks:
        """Look in a folder first, then in its last import, then in those before."""
        own = self._looks(place)
        folder = self.project.folder(*place) or Folder()

        def looked(name: str) -> tuple[Place, Secret] | None:
            found = own(name)
            if found is not None or not self.wish.imports:
                return found
            brought = [self._folded(each, set()) for each in reversed(folder.imports)]
            return next((each[name] for each in brought if name in each), None)

        return looked

    def _value(self, secret: Secret, looks: Looks, *, expand: bool) -> Item:
        if not self.wish.values:
            return {"secretValue": HIDDEN, "secretValueHidden": True}
        text = secret.stored
        if expand:
            text = self._expanded(text, looks, frozenset())
        return {"secretValue": text, "secretValueHidden": False}

    def _expanded(
        self, text: str, looks: Looks, met: frozenset[tuple[Place, str]]
    ) -> str:
        """Put values in place of references, and nothing for those to nowhere."""

        def resolved(reference: re.Match[str]) -> str:
            *where, name = reference[1].split(".")
            found = looks(name) if not where else self._looks(_place(where))(name)
            if found is None:
                return ""
            there, secret = found
            if (there, name) in met:
                return reference[0]
            if not self._may(there, name, read=True):
                details = [f"{there[0]}{there[1]}: {name}"]
                raise Refused(403, "ForbiddenError", "A reference is denied", details)
            return self._expanded(
                secret.stored, self._looks(there), met | {(there, name)}
            )

        return _REFERENCE.sub(resolved, text)

    def _head(self, workspace: str, place: Place, name: str, secret: Secret) -> Item:
        ids = id_of(self.project.id, *place, name)
        return {
            "id": ids,
            "_id": ids,
            "workspace": workspace,
            "environment": place[0],
            "version": secret.version,
            "type": "shared",
            "secretKey": name,
        }

    def _folder(self, place: Place, error: str) -> Folder:
        folder = self.project.folder(*place)
        if folder is None:
            raise Refused(404, error, f"Folder with path '{place[1]}' not found")
        return folder

    def _may(self, place: Place, name: str, *, read: bool = False) -> bool:
        covering = [each for each in self.rules if each.covers(*place, name)]
        return any(each.read or not read for each in covering)


def _place(where: list[str]) -> Place:
    return where[0], "/" + "/".join(where[1:])


def _spelt(asked: str, base: str, path: str) -> str:
    """Return a path as it was asked for, and what is below it behind that."""
    below = path.removeprefix(base).lstrip("/") if path != base else ""
    start = asked.rstrip("/")
    return f"{start}/{below}" if below else start or "/"
