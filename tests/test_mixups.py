"""Two tenants whose names are all the same never get each other's values.

The places, the sources, the connector and the providers are real, the vaults are fakes
on sockets, the API server is a stand-in.
"""

import asyncio
import base64
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pytest

from tests.builders import NOW, Body
from tests.standin import StandIn
from tests.vaults import service_account
from tests.vaults.doppler import Doppler
from tests.vaults.doppler_state import State as DopplerState
from tests.vaults.doppler_state import Token as DopplerToken
from tests.vaults.infisical import Infisical
from tests.vaults.infisical_shop import ID, PROJECT, new_state
from tests.vaults.limiter import Rate
from tests.vaults.message import Answer, Asked
from tests.vaults.onepassword_connect import Connect
from tests.vaults.onepassword_connect import State as ConnectState
from tests.vaults.onepassword_connect import Token as ConnectToken
from tests.vaults.onepassword_items import Item, ItemField, Place, id_of
from tests.vaults.server import Server
from tests.vaults.service_account import Account
from tests.vaults.vault import Kept, Vault
from vaultferry.connecting import Connector
from vaultferry.connections import Connections
from vaultferry.core.addresses import Exceptions
from vaultferry.core.looked import Looked
from vaultferry.core.vaultsecret import VaultSecret
from vaultferry.outbound import Outbound
from vaultferry.places import Around, PlaceKey, Places
from vaultferry.providers import _onepassword_sdk
from vaultferry.pushing import Signers
from vaultferry.sourcing import VaultSource, Waiting
from vaultferry.views import Key, Secrets, VaultSecrets

FETCHES = 10_000
LONGEST_SECONDS = 120
CHANGE = 20
TENANTS = ("red", "blue")
KINDS = ("doppler", "infisical", "connect", "account", "aws")
SHOP, LOGIN, OTHER = id_of("shop"), id_of("login"), id_of("other")

# Of both tenants the same: names, places, references. Only tokens and values differ.
REFERENCES = {
    "doppler": ["A", "B"],
    "infisical": ["/app/A", "/web/A"],
    "connect": ["op://Shop/Login/a", f"op://{SHOP}/{OTHER}/a"],
    "account": ["op://Shop/Login/a", f"op://{SHOP}/{OTHER}/a"],
    "aws": ["/app/A", "/web/A"],
}


class Accounts(Kept):
    """The parameters of each access key."""

    parameters: dict[str, dict[str, str]] = {}


class Aws(Vault[Accounts]):
    """One AWS for all tenants: whose account is meant, only the access key says."""

    kind = Accounts

    async def answer(self, asked: Asked) -> Answer:
        shown = asked.headers["authorization"].partition("Credential=")[2]
        held = self.state.parameters[shown.partition("/")[0]]
        names = [name for name in asked.document()["Names"] if name in held]
        found = [{"Name": n, "Value": held[n], "Version": held[n]} for n in names]
        return Answer(body=json.dumps({"Parameters": found}).encode())


@dataclass
class Vaults:
    """The vaults of one tenant, and how a value there becomes another one."""

    tenant: str
    aws: Server
    servers: dict[str, Server] = field(default_factory=dict)
    account: Account = field(init=False)
    turns: int = 0

    def __post_init__(self) -> None:
        token = service_account.token(email=f"{self.tenant}@example.com")
        self.account = Account([self.shop()], token)

    def value(self, where: str) -> str:
        return f"{self.tenant} {where} {self.turns}"

    def shop(self) -> Place:
        items = [
            Item(
                id=each,
                title=title,
                version=self.turns + 1,
                fields=[ItemField(label="a", value=self.value(title))],
            )
            for each, title in ((LOGIN, "Login"), (OTHER, "Other"))
        ]
        return Place(id=SHOP, name="Shop", items=items, content_version=self.turns + 1)

    @property
    def token(self) -> dict[str, str]:
        """Return what each vault is shown."""
        secret = f"secret-of-{self.tenant}"
        made_up = {kind: f"token-of-{self.tenant}-{kind}" for kind in KINDS}
        more = {"infisical": secret, "account": self.account.token}
        aws = {"access_key_id": self.access_key, "secret_access_key": secret}
        return made_up | more | aws | {"doppler": f"dp.st.{self.tenant}"}

    @property
    def access_key(self) -> str:
        return f"AKIA{self.tenant.upper()}"

    async def open(self, stack: AsyncExitStack) -> None:
        infisical = new_state()
        identity = infisical.identities["all"]
        identity.client_secret = self.token["infisical"]
        doppler = {self.token["doppler"]: DopplerToken(config="shop/prd")}
        connect = {self.token["connect"]: ConnectToken(vaults=[SHOP])}
        fakes: dict[str, Vault[Any]] = {
            "doppler": Doppler(DopplerState(tokens=doppler, rate=Rate(limit=10**9))),
            "infisical": Infisical(infisical),
            "connect": Connect(ConnectState(tokens=connect)),
        }
        for kind, fake in fakes.items():
            server = Server(fake)
            self.servers[kind] = await stack.enter_async_context(server)
        self.change()

    def change(self) -> None:
        """Have every value another one."""
        self.turns += 1
        doppler, infisical, connect = (self.servers[k].vault.state for k in KINDS[:3])
        doppler.configs["shop/prd"] = {each: self.value(each) for each in "AB"}
        for folder in ("/app", "/web"):
            project = infisical.projects["shop"]
            project.put("dev", folder, "A", self.value(folder))
        connect.vaults = [self.shop()]
        self.account.vaults = [self.shop()]
        parameters = {name: self.value(name) for name in REFERENCES["aws"]}
        self.aws.vault.state.parameters[self.access_key] = parameters

    def section(self, kind: str) -> Body:
        reference: Body = {"name": "token", "key": kind}
        if kind == "account":
            return {"onePasswordServiceAccount": {"tokenSecretRef": reference}}
        if kind == "aws":
            where: Body = {"address": self.aws.url, "region": "eu-central-1"}
            return {"awsSsm": where | {"credentialsSecretRef": {"name": "token"}}}
        address = {"address": self.servers[kind].url}
        if kind == "connect":
            return {"onePasswordConnect": address | {"tokenSecretRef": reference}}
        if kind == "doppler":
            where = {"project": "shop", "config": "prd", "tokenSecretRef": reference}
            return {"doppler": address | where}
        who = {"clientId": f"{ID}-all", "clientSecretSecretRef": reference}
        return {
            "infisical": address | who | {"projectId": PROJECT, "environment": "dev"}
        }


class World:
    """The operator's half, without the API server."""

    def __init__(self, vaults: list[Vaults], outbound: Outbound) -> None:
        self.now = 0.0
        self.due: list[PlaceKey] = []
        self.counted: Counter[str] = Counter()
        self.vaults = {each.tenant: each for each in vaults}
        self.cluster = StandIn()
        self.connections = Connections()
        secrets = Secrets(VaultSecrets(), self.connections.opening)
        self.places = Places(
            lambda place, _lane: self.due.append(place),
            lambda _key, _lane: None,
            lambda _key: None,
            Around(lambda: self.now, lambda: self.now, self._count),
        )
        self.connector = Connector(
            self.cluster,
            self.connections,
            secrets,
            self.places,
            outbound,
            lambda _key: None,
            lambda: self.now,
            lambda: NOW,
            Signers(is_served=False),
        )
        self.source = VaultSource(
            self.connections, self.places, lambda _: self.now, lambda: self.now
        )
        self.syncs = 0
        self.keys = [
            Key(tenant, f"{kind}-{number}")
            for tenant, kind, number in product(TENANTS, KINDS, range(2))
        ]

    def _count(self, how: str) -> None:
        self.counted[how] += 1

    @property
    def fetched(self) -> int:
        return self.counted["changed"] + self.counted["unchanged"]

    async def connect(self) -> None:
        for tenant, kind in product(TENANTS, KINDS):
            token = {
                key: base64.b64encode(text.encode()).decode()
                for key, text in self.vaults[tenant].token.items()
            }
            metadata: Body = {"namespace": tenant, "name": "token"}
            secret = {"metadata": metadata, "type": "vaultferry.dev/token"}
            self.cluster.store(self.cluster.secrets, secret | {"data": token})
            way = {
                "metadata": {"namespace": tenant, "name": kind, "generation": 1},
                "spec": self.vaults[tenant].section(kind),
            }
            stored = self.cluster.store(self.cluster.connections, way)
            self.connections.put(stored)
            await self.connector(Key(tenant, kind))
        for key in self.keys:
            self.source.follow(vault_secret(key, 0))

    async def sync(self, key: Key) -> list[str]:
        """Have a VaultSecret synced now; return what it got of somebody else."""
        self.syncs += 1
        self.now += 2.0
        resource = vault_secret(key, self.syncs)
        while True:
            try:
                found = await self.source.read(resource, Looked(None))
                break
            except Waiting:
                await self._fetch()
        texts = [value.decode() for value in found.values.values()]
        assert len(texts) == len(REFERENCES[key.name[:-2]])
        return [text for text in texts if not text.startswith(f"{key.namespace} ")]

    async def _fetch(self) -> None:
        """Work on a place that is due, whoever wants it."""
        self.now += 0.1
        before = self.fetched
        if self.due:
            place = self.due.pop(0)
            if await self.places(place) < 2.0:
                self.due.append(place)
        if before == self.fetched:
            # Others are fetching, and what they do takes about so long.
            await asyncio.sleep(0.001)


def vault_secret(key: Key, number: int) -> VaultSecret:
    """Return a VaultSecret that is to be synced for the so many-th time."""
    kind = key.name[:-2]
    mapped = [
        {"fieldName": f"field-{n}", "reference": reference}
        for n, reference in enumerate(REFERENCES[kind])
    ]
    metadata: Body = {"namespace": key.namespace, "name": key.name, "generation": 1}
    metadata |= {"uid": "the same", "resourceVersion": "1"}
    metadata |= {"annotations": {"vaultferry.dev/force-sync": str(number)}}
    spec = {"type": "opaque", "connectionRef": {"name": kind}, "fieldMappings": mapped}
    return VaultSecret.parse({"metadata": metadata, "spec": spec})


@asynccontextmanager
async def opened(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    exceptions = Exceptions.parse(["http://127.0.0.0/8:*"])
    async with AsyncExitStack() as stack:
        aws = await stack.enter_async_context(Server(Aws()))
        vaults = [Vaults(tenant, aws) for tenant in TENANTS]
        for each in vaults:
            await each.open(stack)
        accounts = {each.account.token: each.account for each in vaults}
        # The SDK is one for all: which account it is told, only the token says.
        monkeypatch.setattr(
            _onepassword_sdk, "load", lambda: service_account.one_of(accounts)
        )
        outbound = Outbound(exceptions)
        stack.push_async_callback(outbound.close)
        world = World(vaults, outbound)
        await world.connect()
        yield world


async def story(monkeypatch: pytest.MonkeyPatch, fetches: int) -> list[str]:
    """Return what VaultSecrets got of somebody else in so many fetches."""
    mixed: list[str] = []
    async with opened(monkeypatch) as world:

        async def go_on(key: Key) -> None:
            while world.fetched < fetches:
                mixed.extend(await world.sync(key))
                if world.syncs % CHANGE == 0:
                    world.vaults[key.namespace].change()

        async with asyncio.TaskGroup() as group:
            for key in world.keys:
                group.create_task(go_on(key))
        # No token was refused, and no answer only seemed to be one.
        assert set(world.counted) == {"changed", "unchanged", "checked"}
        assert world.counted["changed"] > fetches / 20
        print(dict(world.counted))
    return mixed


def test_two_tenants_with_the_same_names_never_get_each_others_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert asyncio.run(in_time(monkeypatch)) == []


async def in_time(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    async with asyncio.timeout(LONGEST_SECONDS):
        return await story(monkeypatch, FETCHES)
