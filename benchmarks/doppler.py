"""One config of a Doppler for everybody: a first sync, a refresh of all, rest."""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks import objects, phases
from benchmarks.bench import Bench, Contestant, stopping
from benchmarks.client import Body, Refused, each
from benchmarks.figures import Figures, named, per_object
from benchmarks.objects import Key
from benchmarks.usage import Memory, settled
from benchmarks.watching import Check, arrivals, is_true
from tests.vaults.doppler_state import State, Token
from tests.vaults.limiter import Rate
from tests.vaults.process import Running, running

LATENCY_SECONDS = 0.05
TOKEN = "dp.st.prd.made-up-token-of-the-benchmark"  # noqa: S105 - it opens a fake
PROJECT, CONFIG = "shop", "prd"
FIELDS = {"user": "DB_USER", "password": "DB_PASSWORD"}

_NAME = "bench"
# Whatever else its defaults are: the others run with theirs.
_REACHING = ("--vault-address=https://127.0.0.0/8:*",)
_TRIES = 600
_STEP = 0.1


@dataclass(frozen=True)
class Side:
    """Who takes values from it, and what the objects are like."""

    name: str
    contestant: Contestant
    annotation: str
    """Asks for newer values now, by another text each time."""

    shares: bool
    """Whether it is enough to ask one of those that use a place."""

    collection: Callable[[str], str]
    """Returns the path of the objects of a namespace."""

    manifest: Callable[[Key], Mapping[str, Any]]
    shared: Sequence[tuple[str, Mapping[str, Any]]]
    """What all objects need: paths and manifests; the last is how the vault is
    reached, and says that it is Ready."""


@dataclass(frozen=True)
class Vault:
    """A Doppler, and how many calls a minute it lets through."""

    process: Running
    limit: int

    async def put(self, word: str) -> None:
        """Have it hold other values, and forget what it was asked."""
        await asyncio.to_thread(self.process.put, _holding(word, self.limit))
        await asyncio.to_thread(self.process.forget)

    async def calls(self) -> float:
        """Return how many calls there were, and have them forgotten."""
        asked = await asyncio.to_thread(self.process.requests)
        await asyncio.to_thread(self.process.forget)
        return len(asked)


@contextmanager
def vault(limit: int) -> Iterator[Vault]:
    """Run a Doppler that is a network away."""
    latency = f"--latency={LATENCY_SECONDS}"
    state = _holding("first", limit)
    with running("doppler", state, ["--https", latency]) as process:
        yield Vault(process, limit)


async def measure(
    bench: Bench, there: Vault, side: Side, chosen: Sequence[Key], rest_seconds: float
) -> Figures:
    """Take objects through all phases; leave nothing behind."""
    await there.put("first")
    await objects.create_namespaces(bench.admin, objects.namespaces(chosen))
    for path, manifest in side.shared:
        await bench.admin.create(path, manifest)
    await _verify(bench, side)

    async def create(key: Key) -> None:
        await bench.admin.create(side.collection(key.namespace), side.manifest(key))

    await each(chosen, create)
    async with stopping(side.contestant.process):
        first = await phases.first_sync(bench, side.contestant, chosen)
        first["vault_calls"] = await there.calls()
        again = await _refresh(bench, there, side, chosen)
        rest = await phases.at_rest(bench, side.contestant, chosen, rest_seconds)
        rest["vault_calls"] = await there.calls()
        # While it runs: what has a finalizer is not let go by anybody else.
        await bench.remove(chosen)
        for path, manifest in side.shared:
            # What is in a namespace of the objects went with it.
            if "/namespaces/" not in path:
                name = manifest["metadata"]["name"]
                await bench.admin.delete(f"{path}/{name}")
    return {
        **named("first_sync", first),
        **named("refresh", again),
        **named("rest", rest),
    }


def own(bench: Bench, there: Running, chosen: Sequence[Key]) -> Side:
    """Return our operator, and VaultSecrets that share a VaultConnection."""
    home = chosen[0].namespace

    def manifest(key: Key) -> dict[str, Any]:
        mapped = [{"fieldName": k, "reference": v} for k, v in FIELDS.items()]
        spec = {
            "type": "opaque",
            "connectionRef": {"name": _NAME, "namespace": home},
            "fieldMappings": mapped,
        }
        return _object("VaultSecret", key, spec)

    return Side(
        name="own",
        contestant=bench.contestant(_REACHING),
        annotation="vaultferry.dev/force-sync",
        shares=True,
        collection=objects.collection,
        manifest=manifest,
        shared=[
            (objects.secrets_of(home), token_secret(_NAME, "vaultferry.dev/token")),
            (_connections(home), _connection(home, there)),
        ],
    )


def token_secret(name: str, kind: str = "Opaque") -> dict[str, Any]:
    """Return the manifest of a Secret with the token."""
    return {"metadata": {"name": name}, "type": kind, "stringData": {"token": TOKEN}}


async def _verify(bench: Bench, side: Side) -> None:
    """Have it find out that the vault answers, before there are objects.

    Who has to retry its first objects because of that waits for its own back-off.
    """
    path, manifest = side.shared[-1]
    is_ready, process = is_true("Ready"), side.contestant.process
    name = manifest["metadata"]["name"]
    async with stopping(process):
        await asyncio.to_thread(process.start, ready=False)
        for _ in range(_TRIES):
            if is_ready(await bench.admin.get(f"{path}/{name}")):
                return
            await asyncio.sleep(_STEP)
    raise Refused("the way to the vault does not get Ready")


def _connections(namespace: str) -> str:
    return objects.collection(namespace).replace("vaultsecrets", "vaultconnections")


def _connection(namespace: str, there: Running) -> dict[str, Any]:
    section = {
        "address": there.url,
        "caBundle": there.certificate,
        "project": PROJECT,
        "config": CONFIG,
        "tokenSecretRef": {"name": _NAME},
    }
    spec = {"doppler": section, "access": {"namespaces": ["*"]}}
    return _object("VaultConnection", Key(namespace, _NAME), spec)


def _object(kind: str, key: Key, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "vaultferry.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": key.name, "namespace": key.namespace},
        "spec": spec,
    }


async def _refresh(
    bench: Bench, there: Vault, side: Side, chosen: Sequence[Key]
) -> Figures:
    """Change all values, ask for newer ones as its interval would, wait for all."""
    word = secrets.token_hex(4)
    await there.put(word)
    change = {"metadata": {"annotations": {side.annotation: word}}}
    contestant = side.contestant

    async def ask(key: Key) -> None:
        await bench.admin.patch(f"{side.collection(key.namespace)}/{key.name}", change)

    place, began = await bench.place(), time.monotonic()
    async with arrivals(bench.admin, "/api/v1/secrets", chosen, _holds(word)) as seen:
        await each(chosen[:1] if side.shares else chosen, ask)
        await seen.all()
    await settled(contestant.process.pid)
    await bench.quiet(place, contestant)
    calls = await bench.calls(place, contestant, chosen)
    return {
        "objects": len(chosen),
        "seconds": seen.last - began,
        "objects_per_s": len(chosen) / (seen.last - began),
        **per_object(calls, len(chosen)),
        "vault_calls": await there.calls(),
        "memory_mib": Memory.of(contestant.process.pid).now_mib,
    }


def _holds(word: str) -> Check:
    plain = {name: value.encode() for name, value in _values(word).items()}
    expected = objects.encoded(plain)[FIELDS["password"]]

    def check(secret: Body) -> bool:
        return bool((secret.get("data") or {}).get("password") == expected)

    return check


def _values(word: str) -> dict[str, str]:
    return {"DB_USER": f"user-{word}", "DB_PASSWORD": f"password-of-{word}-made-up"}


def _holding(word: str, limit: int) -> State:
    place = f"{PROJECT}/{CONFIG}"
    return State(
        configs={place: _values(word)},
        tokens={TOKEN: Token(config=place)},
        rate=Rate(limit=limit),
    )
