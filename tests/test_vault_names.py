"""What may be read of a vault where a tenant writes ids, or names in any case.

Only the vault's answer tells the names by which `spec.access` judges.
"""

from typing import Any

import pytest

from tests.builders import connection_body
from tests.test_vaults import ALL, SOURCE, VaultWorld
from vaultferry.core import opitem
from vaultferry.core.document import Document
from vaultferry.core.errors import PlaceMissing
from vaultferry.core.opitem import Item
from vaultferry.providers.onepassword_connect import PROVIDER

SHOP, LOGIN = "s" * 26, "l" * 26
ITEM = Item.model_validate(
    {
        "id": LOGIN,
        "title": "Login",
        "version": 1,
        "sections": [{"id": "sect", "label": "Database"}],
        "fields": [
            {"id": "pw", "label": "password", "value": "outer"},
            {"id": "user", "label": "user", "value": "me", "section": {"id": "sect"}},
        ],
    }
)


class ItemWorld(VaultWorld):
    """A VaultSecret that takes its values from an item of 1Password."""

    def __init__(self, keys: list[str], **spec: Any) -> None:
        self.keys = keys
        super().__init__({}, **spec)

    def open(self, **spec: Any) -> None:
        section = {"address": "https://a.example", "tokenSecretRef": {"name": "t"}}
        access = {"access": {"keys": self.keys}}
        self.way = connection_body(onePasswordConnect=section, **access, **spec)
        del self.way["spec"]["doppler"]
        self.opened += 1
        self.vault.fetch = self._fetch  # type: ignore[method-assign]
        self._connect()

    async def _fetch(self, place: str, known: Document | None) -> Document:
        del known
        self.vault.calls.append(place)
        if self.vault.failure:
            raise self.vault.failure
        return opitem.document("Web Shop", ITEM, {}, "tag")


def mapped(reference: str) -> dict[str, Any]:
    return SOURCE | {"fieldMappings": [{"fieldName": "token", "reference": reference}]}


@pytest.mark.parametrize(
    ("keys", "reference", "expected"),
    [
        ("**", f"op://{SHOP}/{LOGIN}/user", b"me"),
        ("Web Shop/**", "op://web shop/login/PASSWORD", b"outer"),
        ("Web Shop/**", f"op://{SHOP}/{LOGIN}/pw", b"outer"),
        ("web shop/login/*", f"op://{SHOP}/Login/pw", b"outer"),
        ("Web Shop/Login/Database/*", "op://Web Shop/Login/user", b"me"),
        ("Web Shop/Login/Database/*", f"op://Web Shop/{LOGIN}/sect/user", b"me"),
        ("Web Shop/Login/Database/*", "op://Web Shop/Login/password", None),
        ("Web Shop/Login/*", "op://Web Shop/Login/user", None),
        ("Web Shop/Login/*", f"op://{SHOP}/{LOGIN}/user", None),
        ("Other/**", f"op://{SHOP}/{LOGIN}/user", None),
        (f"{SHOP}/**", f"op://{SHOP}/{LOGIN}/user", None),
    ],
)
def test_a_reference_is_judged_by_the_names_that_the_vault_answers(
    keys: str, reference: str, expected: bytes | None
) -> None:
    world = ItemWorld([keys], **mapped(reference))
    world.settle()

    if expected is None:
        assert world.says["Ready"] == "!FieldMissing"
    else:
        assert world.data == {"token": expected}


@pytest.mark.parametrize(
    ("keys", "data"),
    [
        ("Web Shop/**", {"password": b"outer", "Database.user": b"me"}),
        ("WEB SHOP/login/*", {"password": b"outer"}),
        ("Web Shop/Login/Database/*", {"Database.user": b"me"}),
    ],
)
@pytest.mark.parametrize("path", ["op://web shop/login", f"op://{SHOP}/{LOGIN}"])
def test_of_a_whole_item_what_may_be_read_is_taken(
    keys: str, data: dict[str, bytes], path: str
) -> None:
    world = ItemWorld([keys], **(ALL | {"fieldsFrom": [{"path": path}]}))
    world.settle()

    assert world.data == data


@pytest.mark.parametrize(
    "spec",
    [
        mapped("op://Secret/Login/password"),
        mapped("op://Web Shop/Secret/password"),
        mapped(f"op://Secret/{LOGIN}/password"),
        ALL | {"fieldsFrom": [{"path": "op://Secret/Login"}]},
    ],
    ids=["vault", "item", "item by id", "whole item"],
)
def test_what_cannot_be_for_a_connection_is_asked_for_by_nobody(
    spec: dict[str, Any],
) -> None:
    world = ItemWorld(["Web Shop/Log*/**"], **spec)
    world.vault.failure = PlaceMissing("no such item")
    world.settle()

    assert world.says["Ready"] == "!FieldMissing"
    assert world.vault.calls == []


def test_a_name_that_is_meant_twice_is_refused_with_the_ids() -> None:
    fields = [{"id": n, "label": "x", "value": "canary"} for n in "ab"]
    twins = ITEM.model_validate({**ITEM.model_dump(), "fields": fields})
    found = opitem.document("Web Shop", twins, {}, "tag")
    world = ItemWorld(["**"], **mapped("op://Web Shop/Login/x"))

    async def fetch(place: str, known: Document | None) -> Document:
        del place, known
        return found

    world.vault.fetch = fetch  # type: ignore[method-assign]
    world.settle()

    assert world.says["Ready"] == "!ReferenceInvalid"
    [ready, _] = world.status.conditions
    assert "'a', 'b'" in ready.message
    assert "canary" not in ready.message


def test_every_value_of_an_item_says_where_it_is_from() -> None:
    found = opitem.document("Web Shop", ITEM, {}, "tag")

    assert found.origins.keys() >= found.values.keys()
    assert PROVIDER.origin(found, "user") == "Web Shop/Login/Database/user"
    assert PROVIDER.origin(found, "user?openssh") == "Web Shop/Login/Database/user"
    assert PROVIDER.origin(found, "none") is None
