"""Service accounts of 1Password: an item is a place, by the vendor's own SDK.

https://developer.1password.com/docs/service-accounts/
An account may ask so many times an hour and a day, of which all its tokens partake. So
one call tells which vaults have changed, another one fetches fifty items, and the check
of a connection that rests asks for nothing for hours.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from vaultferry.core import opitem, opref, opstoken
from vaultferry.core.document import Document
from vaultferry.core.errors import (
    AuthenticationFailed,
    ConnectionNotReady,
    Failure,
    NeedsPerson,
    PlaceForbidden,
    PlaceMissing,
    Unreachable,
)
from vaultferry.core.model import Model
from vaultferry.core.opitem import Item, Names
from vaultferry.core.provider import Kept, Provider, Stored
from vaultferry.core.vaultconnection import TokenRef
from vaultferry.outbound import Outbound
from vaultferry.providers import _http, _onepassword, _onepassword_sdk
from vaultferry.providers._onepassword import Place, Titled
from vaultferry.providers._onepassword_sdk import Sdk, Vault

# What the SDK fetches by one call.
_MOST = 50

# Nobody promises that a vault's version tells of everything.
_WHOLE_SECONDS = 6 * 3600.0


class Settings(Model):
    """A service account of 1Password."""

    token_secret_ref: TokenRef
    """The token of the service account, `ops_…`: it says where the account is."""


PROVIDER = Provider(
    name="onepassword-service-account",
    field="onePasswordServiceAccount",
    summary="a service account of 1Password",
    settings=Settings,
    token=lambda settings: Kept.at(settings.token_secret_ref),
    find=_onepassword.find,
    whole=_onepassword.whole,
    canonical=_onepassword.canonical,
    references=f"`{opref.SHAPE}`",
    pick=_onepassword.pick,
    origin=_onepassword.origin,
    caseless=True,
    # What an account may ask in a day is little.
    check_seconds=6 * 3600.0,
)


class _Sought(NamedTuple):
    """A place, and the item that it means."""

    place: str
    vault: Vault
    item: str


class Session:
    """1Password, as one service account."""

    batch = _MOST

    def __init__(self, sdk: Sdk, clock: Callable[[], float] = time.monotonic) -> None:
        """Call nothing yet."""
        self._sdk = sdk
        self._clock = clock
        self._titles: dict[str, tuple[str, Names[Titled]]] = {}
        """Of vaults, by id: when they were had, and the items."""

    def shares(self, place: str) -> bool:
        """Tell whether a place shares its calls: each does."""
        return bool(place)

    async def check(self) -> None:
        """See whether the token is taken; see `Session`."""
        await self._vaults()

    async def fetch(self, place: str, known: Document | None) -> Document:
        """Return what is in an item; see `Session`."""
        found = (await self.fetch_several({place: known}))[place]
        if isinstance(found, Failure):
            raise found
        return found

    async def fetch_several(
        self, known: Mapping[str, Document | None]
    ) -> Mapping[str, Document | Failure]:
        """Return what is in items; see `Batching`."""
        vaults = await self._vaults()
        found: dict[str, Document | Failure] = {}
        sought: list[_Sought] = []
        for place, before in known.items():
            try:
                vault = _named(vaults, Place.parse(place).vault)
                if before and _half(before, 0) == self._state(vault):
                    found[place] = before
                else:
                    sought.append(await self._find(place, vault))
            except NeedsPerson as failure:
                found[place] = failure
        for vault in {each.vault for each in sought}:
            within = [each for each in sought if each.vault == vault]
            found |= await self._within(vault, within, known)
        return found

    async def _vaults(self) -> Names[Vault]:
        try:
            found = await self._sdk.vaults()
        except NeedsPerson:
            found = None
        if found is None:
            # There is no vault yet that it may be about.
            raise AuthenticationFailed("the vault does not take the token")
        return Names(found, lambda vault: vault.id, lambda vault: vault.title)

    def _state(self, vault: Vault) -> str:
        """Return what is the same as long as nothing in a vault has changed."""
        period = int(self._clock() // _WHOLE_SECONDS)
        return f"{period} {vault.id} {vault.version} {vault.title}".replace("\n", " ")

    async def _find(self, place: str, vault: Vault) -> _Sought:
        """Return the item that a place means.

        Raises:
            PlaceMissing: there is none.
            ReferenceInvalid: there are several.
        """
        state = self._state(vault)
        if self._titles.get(vault.id, ("",))[0] != state:
            titles = await self._sdk.titles(vault.id)
            names = Names(titles, lambda each: each.id, lambda each: each.title)
            self._titles[vault.id] = state, names
        meant = self._titles[vault.id][1].meant(Place.parse(place).item)
        _onepassword.check_single([each.id for each in meant], "items are called")
        if not meant:
            raise _absent()
        return _Sought(place, vault, meant[0].id)

    async def _within(
        self,
        vault: Vault,
        sought: Iterable[_Sought],
        known: Mapping[str, Document | None],
    ) -> dict[str, Document | Failure]:
        """Return items of a vault by one call, and by one for each of their files."""
        places = {each.place: each.item for each in sought}
        items = await self._items(vault, sorted(set(places.values())))
        return {
            place: await self._one(place, vault, items[item], known[place])
            for place, item in places.items()
        }

    async def _items(self, vault: Vault, ids: list[str]) -> dict[str, Item | Failure]:
        """Return items, or why one is not to be had.

        One that is not understood takes the answer for all with it, so each is asked
        for by itself then.
        """
        try:
            found = await self._sdk.items(vault.id, ids)
        except NeedsPerson as failure:
            return dict.fromkeys(ids, failure)
        except Unreachable as failure:
            if failure.detail != _onepassword_sdk.NOT_UNDERSTOOD:
                raise
            alone = failure
        else:
            return {each: found.get(each) or _absent() for each in ids}
        if len(ids) == 1:
            return dict.fromkeys(ids, alone)
        return {each: (await self._items(vault, [each]))[each] for each in ids}

    async def _one(
        self, place: str, vault: Vault, item: Item | Failure, known: Document | None
    ) -> Document | Failure:
        if isinstance(item, Failure):
            return item
        if Place.parse(place).is_codes:
            return _document(lambda: opitem.codes(vault.title, item))
        period = self._state(vault).partition(" ")[0]
        state = f"{period} {item.id} {item.version} {vault.title} {item.title}"
        state = state.replace("\n", " ")
        tag = f"{self._state(vault)}\n{state}"
        if known and _half(known, 1) == state:
            return replace(known, tag=tag)
        try:
            contents = {
                file.id: await self._sdk.content(vault.id, item.id, file)
                for file in item.files or ()
                if file.id in item.fetchable()
            }
        except NeedsPerson as failure:
            return failure
        return _document(lambda: opitem.document(vault.title, item, contents, tag))


def session(settings: Settings, token: Stored, outbound: Outbound) -> Session:
    """Return a session with one token, if it is for an address that may be reached."""
    text = _http.word(token[settings.token_secret_ref.key])
    address = opstoken.address(text)
    if not opstoken.is_vendors(address) and not outbound.excepts(address):
        raise AuthenticationFailed(
            "the token is for a server that is none of 1Password's: it is not used, "
            "unless the operator's --vault-address names that server"
        )
    if not _onepassword_sdk.is_installed():
        raise ConnectionNotReady(
            "service accounts need 1Password's SDK, which this operator lacks: have "
            "it installed as vaultferry[onepassword]"
        )
    return Session(Sdk(text, _onepassword_sdk.load))


def _named(vaults: Names[Vault], name: str) -> Vault:
    found = vaults.meant(name)
    _onepassword.check_single([vault.id for vault in found], "vaults are called")
    if not found:
        raise PlaceForbidden(
            "there is no such vault, or the service account may not read it"
        )
    return found[0]


def _absent() -> PlaceMissing:
    return PlaceMissing("there is no such item in the vault")


def _half(document: Document, number: int) -> str:
    """Return what a tag says of the vault, or of the item; nothing without a tag."""
    return (document.tag or "\n").split("\n")[number]


def _document(read: Callable[[], Document]) -> Document | Failure:
    with suppress(ValueError):
        return read()
    return _http.unreachable(_onepassword_sdk.NOT_UNDERSTOOD)
