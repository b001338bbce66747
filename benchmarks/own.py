"""What only our operator is measured in: all its phases, changes, large objects."""

import asyncio
import random
import time
from collections.abc import Sequence

from benchmarks import objects, phases
from benchmarks.bench import Bench, Contestant, stopping
from benchmarks.client import Body
from benchmarks.figures import Figures, named, percentile
from benchmarks.objects import Key
from benchmarks.usage import Memory, settled
from benchmarks.watching import arrivals

CHANGES = 100
LARGE = 20


async def measure(bench: Bench, count: int, rest_seconds: float) -> Figures:
    """Take new objects through all phases; leave nothing behind."""
    chance = random.Random(count)
    chosen = objects.keys("own", count)
    await objects.create_namespaces(bench.admin, objects.namespaces(chosen))
    manifests = [
        objects.vaultsecret(bench.keyring, key, objects.values(chance))
        for key in chosen
    ]
    await objects.create(bench.admin, manifests)
    contestant = bench.contestant()
    async with stopping(contestant.process):
        figures = await phases.measure(bench, contestant, chosen, rest_seconds)
        changed = await change(bench, contestant, chosen[:CHANGES])
    await bench.remove(chosen)
    return figures | named("change", changed)


async def change(
    bench: Bench, contestant: Contestant, chosen: Sequence[Key]
) -> Figures:
    """Edit each object once, one after the other, without waiting for its Secret."""
    public_key = bench.keyring.public_key()
    contents = [{"password": f"changed {key}".encode()} for key in chosen]
    tokens = [
        objects.sealed(public_key, *item) for item in zip(chosen, contents, strict=True)
    ]
    before = await _versions(bench, chosen)

    def changed(secret: Body) -> bool:
        metadata = secret["metadata"]
        key = Key(metadata["namespace"], metadata["name"])
        return bool(metadata["resourceVersion"] != before[key])

    place, sent = await bench.place(), {}
    async with arrivals(bench.admin, "/api/v1/secrets", chosen, changed) as seen:
        for key, sealed in zip(chosen, tokens, strict=True):
            sent[key] = time.monotonic()
            path = f"{objects.collection(key.namespace)}/{key.name}"
            await bench.admin.patch(path, {"spec": {"sealed": sealed}})
        await seen.all()
    await settled(contestant.process.pid)
    calls = await bench.calls(place, contestant, chosen)
    took = [seen.times[key] - sent[key] for key in chosen]
    return {
        "objects": len(chosen),
        "writes_per_object": calls.writes / len(chosen),
        "reads_per_object": calls.reads / len(chosen),
        "p50_s": percentile(took, 50),
        "p99_s": percentile(took, 99),
    }


async def largest(bench: Bench, count: int = LARGE) -> Figures:
    """Take the largest legal objects through a first sync; leave nothing behind."""
    chance = random.Random(count)
    chosen = objects.keys("large", count, namespaces=1)
    await objects.create_namespaces(bench.admin, objects.namespaces(chosen))
    manifests = [
        objects.vaultsecret(bench.keyring, key, objects.large_values(chance))
        for key in chosen
    ]
    sizes = [sum(map(len, made["spec"]["sealed"].values())) for made in manifests]
    await objects.create(bench.admin, manifests)
    contestant = bench.contestant()
    pid, process = 0, contestant.process
    watched = (contestant.collection, chosen, contestant.done)
    async with (
        stopping(process),
        arrivals(bench.admin, *watched) as seen,
    ):
        began = time.monotonic()
        await asyncio.to_thread(process.start, ready=False)
        pid = process.pid
        await seen.all()
        await settled(pid)
        memory = Memory.of(pid)
    await bench.remove(chosen)
    return {
        "objects": count,
        "sealed_kib": max(sizes) / 1024,
        "seconds": seen.last - began,
        "memory_mib": memory.now_mib,
        "peak_mib": memory.peak_mib,
    }


async def _versions(bench: Bench, chosen: Sequence[Key]) -> dict[Key, str]:
    """Return the resourceVersions of the objects' Secrets."""
    found = {}
    for namespace in objects.namespaces(chosen):
        listed = await bench.admin.get(objects.secrets_of(namespace))
        for secret in listed["items"]:
            metadata = secret["metadata"]
            key = Key(namespace, metadata["name"])
            found[key] = metadata["resourceVersion"]
    return found
