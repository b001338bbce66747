"""The bare client: the writes that no operator can do without, and nothing else."""

import asyncio
import json
import os
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks import objects
from benchmarks.bench import Bench, stopping
from benchmarks.client import Body, Client, each
from benchmarks.figures import Figures
from benchmarks.objects import Key
from benchmarks.usage import Cpu
from benchmarks.watching import arrivals, is_true
from tests.e2e.operator import NAMESPACE

_GUARDING = ("namespace", "name", "uid", "resourceVersion")


@dataclass(frozen=True)
class Writes:
    """What the operator wrote for one object."""

    key: Key
    uid: str
    secret: str
    status: str

    def of(
        self, key: Key, metadata: Body, content: Mapping[str, bytes]
    ) -> tuple[Body, Body]:
        """Return the same Secret and status for another object, by its metadata."""
        uid = metadata["uid"]
        secret = json.loads(self._moved(self.secret, key, uid))
        status = json.loads(self._moved(self.status, key, uid))
        guard = {name: metadata[name] for name in _GUARDING}
        told = {**objects.KIND, "metadata": guard, "status": status}
        return secret | {"data": objects.encoded(content)}, told

    def _moved(self, text: str, key: Key, uid: str) -> str:
        text = text.replace(self.key.namespace, key.namespace)
        return text.replace(self.key.name, key.name).replace(self.uid, uid)


async def sample(bench: Bench) -> Writes:
    """Let the operator sync one object; return what it wrote, leave nothing behind."""
    [key] = objects.keys("sample", 1, namespaces=1)
    await objects.create_namespaces(bench.admin, [key.namespace])
    content = objects.values(random.Random(0))
    made = objects.vaultsecret(bench.keyring, key, content)
    contestant = bench.contestant()
    path = contestant.collection
    async with (
        stopping(contestant.process),
        arrivals(bench.admin, path, [key], contestant.done) as seen,
    ):
        await objects.create(bench.admin, [made])
        await asyncio.to_thread(contestant.process.start)
        await seen.all()
    path = f"{objects.collection(key.namespace)}/{key.name}"
    resource = await bench.admin.get(path)
    path = f"{objects.secrets_of(key.namespace)}/{key.name}"
    secret = await bench.admin.get(path)
    await bench.remove([key])
    return Writes(
        key,
        resource["metadata"]["uid"],
        json.dumps({**secret, "metadata": _written(secret["metadata"])}),
        json.dumps(resource["status"]),
    )


def _written(metadata: Body) -> Body:
    """Return metadata without what the API server adds."""
    written = ("name", "namespace", "labels", "annotations", "ownerReferences")
    return {name: metadata[name] for name in written if name in metadata}


async def measure(bench: Bench, count: int) -> Figures:
    """Create a Secret and replace a status for each object; leave nothing behind."""
    template = await sample(bench)
    chance = random.Random(count)
    chosen = objects.keys("bare", count)
    await objects.create_namespaces(bench.admin, objects.namespaces(chosen))
    contents = {key: objects.values(chance) for key in chosen}
    manifests = [objects.vaultsecret(bench.keyring, *item) for item in contents.items()]
    made = await objects.create(bench.admin, manifests)
    writes = {
        key: template.of(key, metadata, contents[key])
        for key, metadata in zip(chosen, made, strict=True)
    }
    figures = await _write(bench, writes)
    await bench.remove(chosen)
    return figures


async def _write(bench: Bench, writes: Mapping[Key, tuple[Body, Body]]) -> Figures:
    # The operator's own account: the API server checks as much for one as the other.
    async with Client.of_account(bench.plane, NAMESPACE, "vaultferry") as client:

        async def one(key: Key) -> None:
            secret, status = writes[key]
            await client.create(objects.secrets_of(key.namespace), secret)
            path = f"{objects.collection(key.namespace)}/{key.name}/status"
            await client.update(path, status)

        # Watched like everybody: the watch is work for the API server, too.
        watched = (objects.collection(), list(writes), is_true("Ready"))
        async with arrivals(bench.admin, *watched) as seen:
            before, began = Cpu.of(os.getpid(), bench.plane), time.monotonic()
            await each(writes, one)
            await seen.all()
            took = seen.last - began
            used = Cpu.of(os.getpid(), bench.plane) - before
    return {
        "objects": len(writes),
        "seconds": took,
        "objects_per_s": len(writes) / took,
        **used.per_1000(len(writes)),
    }
