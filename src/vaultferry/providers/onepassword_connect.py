"""1Password Connect: one item is one place, found by the names of a reference.

https://developer.1password.com/docs/connect/api-reference/
Names are the same to 1Password in small and capital letters, and whether the filters of
Connect know that is not written anywhere. So names are looked up in its lists, whole:
one list of a vault serves all its items, and no name gets into a filter.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from math import inf
from typing import Generic, TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter

from vaultferry.core import opitem, opref
from vaultferry.core.document import Document
from vaultferry.core.errors import (
    AuthenticationFailed,
    PlaceForbidden,
    PlaceMissing,
    ReferenceInvalid,
    Unreachable,
)
from vaultferry.core.model import Model
from vaultferry.core.opitem import Identified, Item, Names, Summary
from vaultferry.core.provider import Kept, Provider, Stored
from vaultferry.core.vaultconnection import Address, Bundle, TokenRef
from vaultferry.outbound import Answer, Outbound
from vaultferry.providers import _http, _onepassword
from vaultferry.providers._onepassword import Place, Titled, is_id

# A list of 20,000 titles, or an item of 1Password's own largest size.
_LIMIT = 8 * 1024 * 1024

# A Connect under load answers 403 now and then for what is allowed.
_TRIES = 3
_FIRST_PAUSE_SECONDS = 0.1

# As old may be what is known of the vaults' names; the check of a connection that rests
# looks them up more often.
_NAMES_SECONDS = 600.0

T = TypeVar("T")


class Settings(Model):
    """A 1Password Connect server."""

    address: Address
    """Where the server is, without `/v1`."""

    token_secret_ref: TokenRef
    """The access token of the server."""

    ca_bundle: Bundle | None = None
    """Certificates (PEM) to trust instead of the public ones."""


class _Vault(Identified):
    name: str


_VAULTS = TypeAdapter(list[_Vault])
_SUMMARIES = TypeAdapter(list[Summary])
_ITEM = TypeAdapter(Item)


PROVIDER = Provider(
    name="onepassword-connect",
    field="onePasswordConnect",
    summary="a 1Password Connect server",
    settings=Settings,
    token=lambda settings: Kept.at(settings.token_secret_ref),
    find=_onepassword.find,
    whole=_onepassword.whole,
    canonical=_onepassword.canonical,
    references=f"`{opref.SHAPE}`",
    pick=_onepassword.pick,
    origin=_onepassword.origin,
    caseless=True,
)


class _List(Generic[T]):
    """A list that many look into and that is asked for by one at a time."""

    def __init__(
        self, ask: Callable[[], Awaitable[Names[T]]], clock: Callable[[], float]
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._found: Names[T] | None = None
        self._asked = -inf
        self._lock = asyncio.Lock()

    async def get(self, after: float) -> Names[T]:
        """Return it as it was when it was asked for after a time; -inf: at any."""
        async with self._lock:
            if self._found is None or self._asked < after:
                now = self._clock()
                self._found = await self._ask()
                self._asked = now
            return self._found


class Session:
    """A Connect server, with one token."""

    def __init__(
        self,
        settings: Settings,
        token: bytes,
        outbound: Outbound,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Call nothing yet."""
        address = settings.address.rstrip("/")
        self._vault = _http.Vault(outbound, address, settings.ca_bundle, _LIMIT)
        self._headers = _http.bearer(token)
        self._clock = clock
        self._vaults = _List(self._list_vaults, clock)
        self._titles: dict[str, _List[Titled]] = {}
        self._ids: dict[tuple[str, str], str] = {}
        """Of items, by the id of their vault and what they are called."""

    async def fetch(self, place: str, known: Document | None) -> Document:
        """Return what is in an item; see `Session`."""
        wanted, began = Place.parse(place), self._clock()
        vault = await self._named_vault(wanted.vault, began)
        item = await self._named_item(vault, wanted.item, began)
        if wanted.is_codes:
            return _document(lambda: opitem.codes(vault.name, item))
        tag = f"{item.id} {item.version} {vault.name}"
        if known and known.tag == tag:
            return known
        contents = await self._contents(vault, item)
        return _document(lambda: opitem.document(vault.name, item, contents, tag))

    async def check(self) -> None:
        """See whether the token is taken; see `Session`."""
        await self._vaults.get(inf)

    async def _list_vaults(self) -> Names[_Vault]:
        answer = await self._get("/vaults")
        if answer.status == HTTPStatus.FORBIDDEN:
            raise AuthenticationFailed("the vault does not take the token")
        vaults = _read(answer, _VAULTS)
        return Names(vaults, lambda vault: vault.id, lambda vault: vault.name)

    async def _named_vault(self, name: str, began: float) -> _Vault:
        """Return the vault of a name or id.

        Raises:
            PlaceForbidden: the server knows none, for this token.
            ReferenceInvalid: it knows several.
        """
        found: list[_Vault] = []
        for after in (began - _NAMES_SECONDS, began):
            found = (await self._vaults.get(after)).meant(name)
            if len(found) == 1:
                return found[0]
        _onepassword.check_single([vault.id for vault in found], "vaults are called")
        raise PlaceForbidden(
            "there is no such vault, or the token of the connection may not read it"
        )

    async def _named_item(self, vault: _Vault, name: str, began: float) -> Item:
        """Return the item of a title or id: the one that it was before, if it still is.

        Raises:
            PlaceMissing: there is none.
            ReferenceInvalid: there are several.
        """
        first = self._ids.get((vault.id, name)) or name
        item = await self._item(vault, first, name) if is_id(first) else None
        found: list[Titled] = []
        for after in (-inf, began):
            if item is not None:
                break
            found = await self._titled(vault, name, after)
            if len(found) == 1:
                item = await self._item(vault, found[0].id, name)
        if item is None:
            _onepassword.check_single(
                [titled.id for titled in found], "items are called"
            )
            raise PlaceMissing("there is no such item in the vault")
        self._ids[vault.id, name] = item.id
        return item

    async def _titled(self, vault: _Vault, name: str, after: float) -> list[Titled]:
        titles = self._titles.get(vault.id)
        if titles is None:
            titles = _List(lambda: self._list_items(vault), self._clock)
            self._titles[vault.id] = titles
        return (await titles.get(after)).meant(name)

    async def _list_items(self, vault: _Vault) -> Names[Titled]:
        answer = None
        try:
            answer = await self._get(f"/vaults/{quote(vault.id, safe='')}/items")
        except Unreachable as failure:
            if failure.detail != "too-large":
                raise
        if answer is None:
            raise ReferenceInvalid(
                "the vault has too many items to find one by its title: write its id"
            )
        _check_place(answer)
        found = _read(answer, _SUMMARIES)
        titles = (Titled(each.id, each.title) for each in found if not each.is_gone)
        return Names(titles, lambda titled: titled.id, lambda titled: titled.title)

    async def _item(self, vault: _Vault, item_id: str, name: str) -> Item | None:
        """Return an item, if it is there and still called so."""
        answer = await self._get(_path(vault, item_id))
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        _check_place(answer)
        item = _read(answer, _ITEM)
        return item if item.is_called(name) and not item.is_gone else None

    async def _contents(self, vault: _Vault, item: Item) -> dict[str, bytes]:
        """Return the contents of files, those that are not too large."""
        contents = {}
        for file in item.fetchable():
            path = f"{_path(vault, item.id)}/files/{quote(file, safe='')}/content"
            answer = await self._get(path)
            if answer.status != HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                _check_place(answer)
                _http.check(answer)
                contents[file] = answer.body
        return contents

    async def _get(self, path: str) -> Answer:
        """Ask; what is forbidden once more, and again, before it is believed."""
        pause = _FIRST_PAUSE_SECONDS
        for _ in range(_TRIES - 1):
            answer = await self._vault.get(f"/v1{path}", self._headers)
            if answer.status != HTTPStatus.FORBIDDEN:
                return answer
            await asyncio.sleep(pause)
            pause *= 2
        return await self._vault.get(f"/v1{path}", self._headers)


def session(settings: Settings, token: Stored, outbound: Outbound) -> Session:
    """Return a session with one token."""
    return Session(settings, token[settings.token_secret_ref.key], outbound)


def _path(vault: _Vault, item_id: str) -> str:
    return f"/vaults/{quote(vault.id, safe='')}/items/{quote(item_id, safe='')}"


def _check_place(answer: Answer) -> None:
    _http.check_place(
        answer,
        "the token of the connection may not read the vault",
        "there is no such item in the vault",
    )


def _read(answer: Answer, shape: TypeAdapter[T]) -> T:
    """Return what a good answer says.

    Raises:
        VaultFailure: it is not good, or of another shape.
    """
    _http.check(answer)
    with suppress(ValueError):  # Its text quotes values, and is not to stay behind.
        return shape.validate_json(answer.body)
    raise _http.unreachable("no-item")


def _document(read: Callable[[], Document]) -> Document:
    with suppress(ValueError):
        return read()
    raise _http.unreachable("no-item")
