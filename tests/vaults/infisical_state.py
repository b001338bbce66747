"""What is in a fake Infisical."""

import functools
import re
import uuid
from typing import Any

from tests.vaults.reviewer import Reviewer
from tests.vaults.vault import Kept
from tests.vaults.webhooks import Hook

# Benchmarks ask thousands of times for the same.
_REMEMBERED = 2**16


class Refused(Exception):
    """A request that gets one of the server's own errors."""

    def __init__(
        self, status: int, error: str, message: object, details: list[Any] | None = None
    ) -> None:
        super().__init__(error)
        self.status = status
        self.message = message
        self.details = details


class Secret(Kept):
    """A secret, as it was entered."""

    value: str
    comment: str = ""
    tags: list[str] = []
    metadata: dict[str, str] = {}
    version: int = 1
    older: dict[int, str] = {}
    """What it was, by version."""

    updated_at: float = 0

    def at(self, version: int) -> "Secret | None":
        """Return it as it was in a version."""
        if version == self.version:
            return self
        value = self.older.get(version)
        changes = {"value": value, "version": version}
        return None if value is None else self.model_copy(update=changes)

    @property
    def stored(self) -> str:
        """The value without blanks around, one final newline excepted."""
        return self.value.strip() + ("\n" if self.value.endswith("\n") else "")


class Import(Kept):
    """Where a folder takes secrets from."""

    environment: str
    path: str


class Folder(Kept):
    """A folder; its imports are in the order of their positions."""

    secrets: dict[str, Secret] = {}
    imports: list[Import] = []


class Project(Kept):
    """A project."""

    id: str
    environments: dict[str, dict[str, Folder]] = {}
    """Folders by slug of the environment and path, such as `/app/db`."""

    def folder(self, environment: str, path: str) -> Folder | None:
        """Return a folder; None where there is none."""
        folders = self.environments.get(environment)
        if folders is None:
            return None
        if path in folders:
            return folders[path]
        is_there = path == "/" or any(each.startswith(f"{path}/") for each in folders)
        return Folder() if is_there else None

    def below(self, environment: str, path: str) -> list[str]:
        """Return the paths of a folder and of all below it."""
        start = path.rstrip("/") + "/"
        folders = self.environments.get(environment, {})
        return [path, *sorted(p for p in folders if p.startswith(start) and p != path)]

    def put(self, environment: str, path: str, name: str, value: str) -> None:
        """Write a secret as a person does: its version grows in any case."""
        folder = self.environments[environment].setdefault(path, Folder())
        secret = folder.secrets.setdefault(name, Secret(value=value, version=0))
        if secret.version:
            secret.older[secret.version] = secret.value
        secret.value = value
        secret.version += 1
        secret.updated_at += 1


class Rule(Kept):
    """What an identity may do in a project; globs, with `**` for any depth."""

    environment: str = "*"
    path: str = "/**"
    key: str = "*"
    read: bool = True
    """False: it may know of secrets, but not see the values."""

    def covers(self, environment: str, path: str, key: str) -> bool:
        """Tell whether it says something of this secret."""
        return (
            _matches(self.environment, environment)
            and _matches(self.path, path)
            and _matches(self.key, key)
        )


class Identity(Kept):
    """A machine identity."""

    client_id: str = ""
    client_secret: str = ""
    ttl: int = 2592000
    max_ttl: int = 2592000
    period: int = 0
    secret_expired: bool = False
    """The client secret is past its TTL or its use limit."""

    secret_revoked: bool = False
    token_uses: int = 0
    """How often a token may be used; 0 for ever."""

    subjects: list[str] = []
    """Service accounts that may log in by Kubernetes auth."""

    audience: str = ""
    token: str = ""
    """What a login brings, each time; nothing: a JWT."""

    rules: dict[str, list[Rule]] = {}
    """By slug of the projects of which it is a member."""

    @property
    def seconds(self) -> int:
        """How long a new token is good; 0 for as long as the server lets it be."""
        return self.period or self.ttl

    @property
    def longest(self) -> int:
        """How long a token can be renewed; 0 for ever."""
        return 0 if self.period else self.max_ttl


class State(Kept):
    """What is in Infisical."""

    projects: dict[str, Project] = {}
    """By slug."""

    identities: dict[str, Identity] = {}
    """By id."""

    reviewer: Reviewer | None = None
    """Who says whose the tokens of Kubernetes are; None: they say so themselves."""

    webhooks: list[Hook] = []
    """Their places are folders, as `project/environment/path`, with no glob."""

    webhook_seconds: float = 4.2
    """How long a change is waited for others, before it is told."""

    organization: str = "made-up"
    ceiling: int = 7776000
    """How long any token is good at most, in seconds."""

    remembered_seconds: float = 10
    """How long permissions are believed after they were looked up."""


@functools.lru_cache(_REMEMBERED)
def id_of(*parts: str) -> str:
    """Return an id, always the same one for the same parts."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "/".join(parts)))


def normal(path: str) -> str:
    """Return the one spelling of a path under which its folder is kept."""
    return "/" + "/".join(part for part in path.split("/") if part)


@functools.lru_cache(_REMEMBERED)
def _matches(glob: str, text: str) -> bool:
    pattern = re.escape(glob).replace(r"/\*\*", "(?:/.*)?").replace(r"\*", "[^/]*")
    return re.fullmatch(pattern, text) is not None
