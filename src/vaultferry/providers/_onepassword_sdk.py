"""The vendor's SDK for 1Password's service accounts, kept at arm's length.

https://developer.1password.com/docs/sdks/
Most of it is native code behind the faces of coroutines. Who polls one of those works
for it, so that happens in a thread with a loop of its own. Its errors are texts, which
are looked at for words that are known and go no further.
"""

import asyncio
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Generic, NamedTuple, TypeVar

import vaultferry
from vaultferry.core.errors import (
    AuthenticationFailed,
    Failure,
    PlaceForbidden,
    PlaceMissing,
    RateLimited,
)
from vaultferry.core.opitem import Field, File, Identified, Item, Section
from vaultferry.providers import _http
from vaultferry.providers._onepassword import Titled

# A hundred megabytes of somebody's vault are not waited for.
_SECONDS = 30.0

# The quotas are by the hour and by the day, and the SDK does not tell which is at its
# end, nor for how long.
_QUOTA_SECONDS = 900.0

NOT_UNDERSTOOD = "no-item"
"""Of an answer with something in it that the SDK, or this version, does not know."""

_NOTES = "notesPlain"

T = TypeVar("T")
Load = Callable[[], Any]


class Vault(NamedTuple):
    """A vault of 1Password."""

    id: str
    title: str
    version: int
    """Another one when anything in it was changed."""


def is_installed() -> bool:
    """Tell whether the SDK is there."""
    return find_spec("onepassword") is not None


def load() -> Any:
    """Return the class of the SDK's clients; takes a good part of a second."""
    client = import_module("onepassword").Client
    import_module("onepassword.core").UniffiCore()  # It loads the native half.
    return client


@dataclass(frozen=True, repr=False)
class _Said(Generic[T]):
    """What a call came to; asyncio shows results at DEBUG, so it has no `repr`."""

    value: T


class Sdk:
    """A client of the SDK, with one token."""

    def __init__(self, token: str, load: Load) -> None:
        """Call nothing yet.

        Args:
            token: of a service account; the SDK connects to where it says.
            load: returns the class of the SDK's clients, in the thread.
        """
        self._token = token
        self._load = load
        self._client: Any = None
        self._thread: _Thread | None = None
        self._lock = asyncio.Lock()

    async def vaults(self) -> list[Vault]:
        """Return the vaults that the account may read.

        Raises:
            Failure: they could not be had.
        """

        async def ask(client: Any) -> list[Vault]:
            found = await client.vaults.list()
            return [Vault(v.id, v.title, v.content_version) for v in found]

        return await self._call(ask)

    async def titles(self, vault: str) -> list[Titled]:
        """Return the items in use of a vault.

        Raises:
            Failure: they could not be had.
        """

        async def ask(client: Any) -> list[Titled]:
            found = await client.items.list(vault)
            return [Titled(i.id, i.title) for i in found if i.state == "active"]

        return await self._call(ask)

    async def items(self, vault: str, ids: Sequence[str]) -> dict[str, Item]:
        """Return items of a vault, those that there are, without their files' contents.

        Args:
            vault: its id.
            ids: of items, at most 50.

        Raises:
            Failure: they could not be had.
        """

        async def ask(client: Any) -> dict[str, Item]:
            answer = await client.items.get_all(vault, list(ids))
            said = answer.individual_responses
            found = [_item(one.content) for one in said if one.content is not None]
            _check_absent([one.error for one in said if one.content is None])
            return {item.id: item for item in found}

        return await self._call(ask)

    async def content(self, vault: str, item: str, file: File) -> bytes:
        """Return what is in a file.

        Raises:
            Failure: it could not be had.
        """

        async def ask(client: Any) -> bytes:
            types = import_module("onepassword.types")
            about = types.FileAttributes(
                name=file.name or "", id=file.id, size=file.size
            )
            return bytes(await client.items.files.read(vault, item, about))

        return await self._call(ask)

    async def _call(self, ask: Callable[[Any], Awaitable[T]]) -> T:
        """Return the answer to a question to the client.

        Raises:
            Failure: there is none.
        """
        thread = self._thread = self._thread or _Thread()
        said: _Said[T] | Failure
        try:
            async with asyncio.timeout(_SECONDS):
                said = await thread.run(lambda: self._said(ask))
        except TimeoutError:
            said = _http.unreachable("timeout")
        if isinstance(said, Failure):
            raise said
        return said.value

    async def _said(self, ask: Callable[[Any], Awaitable[T]]) -> _Said[T] | Failure:
        """Ask, in the thread; nothing of an error leaves but what it means."""
        try:
            return _Said(await ask(await self._opened()))
        except Exception as error:  # noqa: BLE001 - the SDK raises nothing narrower
            failure = meaning(error)
        if isinstance(failure, AuthenticationFailed):
            self._client = None
        return failure

    async def _opened(self) -> Any:
        async with self._lock:
            if self._client is None:
                self._client = await self._load().authenticate(
                    auth=self._token,
                    integration_name="vaultferry",
                    integration_version=vaultferry.__version__,
                )
            return self._client


class _Thread:
    """A thread with a loop of its own, which ends with this object."""

    def __init__(self) -> None:
        loop = asyncio.new_event_loop()
        # What it would log has texts of the SDK in it.
        loop.set_exception_handler(lambda _loop, _context: None)
        self._loop = loop
        # A daemon: what is native and hangs must not keep the process.
        threading.Thread(
            target=_forever, args=(loop,), name="onepassword", daemon=True
        ).start()
        weakref.finalize(self, loop.call_soon_threadsafe, loop.stop)

    async def run(self, start: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return what a coroutine returns there."""
        there = asyncio.run_coroutine_threadsafe(start(), self._loop)
        return await asyncio.wrap_future(there)


def _forever(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


_UNREACHED = ("request library", "request timeout", "server error", "unexpected status")

_MEANINGS: tuple[tuple[tuple[str, ...], Callable[[], Failure]], ...] = (
    # First of all: the others are within texts of these.
    (_UNREACHED, lambda: _http.unreachable("not-reached")),
    (
        ("rate limit exceeded",),
        lambda: RateLimited("the vault was asked too often", wait=_QUOTA_SECONDS),
    ),
    (
        (
            "authenticat",
            "bad credentials",
            "service account token",
            "service account deserialization",
            "session expired",
        ),
        lambda: AuthenticationFailed("the vault does not take the token"),
    ),
    (
        ("right permissions",),
        lambda: PlaceForbidden("the service account may not read the vault"),
    ),
    (
        ("be found", "not found"),
        lambda: PlaceMissing("there is no such item in the vault"),
    ),
)


def meaning(error: Exception) -> Failure:
    """Return what an error of the SDK comes to, without a word of it."""
    if type(error).__name__ == "RateLimitExceededException":
        return RateLimited("the vault was asked too often", wait=_QUOTA_SECONDS)
    if isinstance(error, ImportError | OSError):
        return _http.unreachable("sdk-not-loaded")
    if isinstance(error, AttributeError | TypeError | ValueError):
        return _http.unreachable(NOT_UNDERSTOOD)
    text = str(error)
    for words, failure in _MEANINGS:
        if any(word in text for word in words):
            return failure()
    return _http.unreachable("sdk")


def _check_absent(errors: Sequence[Any]) -> None:
    """Check that what was not answered is not there."""
    if any(error.type != "itemNotFound" for error in errors):
        raise ValueError


def _item(item: Any) -> Item:
    """Return an item as Connect has it."""
    document = [_file(item.document, None)] if item.document else []
    return Item(
        id=item.id,
        title=item.title,
        version=item.version,
        sections=[Section(id=s.id, label=s.title) for s in item.sections],
        fields=[*map(_field, item.fields), *_notes(item)],
        files=[*document, *(_file(f.attributes, f.section_id) for f in item.files)],
    )


def _notes(item: Any) -> Iterator[Field]:
    """Yield the notes, which are a field to Connect, and to references."""
    if item.notes and all(field.id != _NOTES for field in item.fields):
        yield Field(id=_NOTES, label=_NOTES, value=item.notes)


def _field(field: Any) -> Field:
    return Field(
        id=field.id,
        label=field.title,
        value=field.value,
        totp=_code(field.details),
        section=_section(field.section_id),
    )


def _code(details: Any) -> str | None:
    is_code = details is not None and details.type == "Otp"
    return details.content.code if is_code else None


def _file(about: Any, section: str | None) -> File:
    return File(
        id=about.id, name=about.name, size=about.size, section=_section(section)
    )


def _section(name: str | None) -> Identified | None:
    return Identified(id=name) if name else None
