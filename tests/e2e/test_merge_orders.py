"""In whatever order things happen to a shared Secret: our keys come and go, no others.

Many Secrets at once, each with another order, all with one operator. The expected
result is that of a model.
"""

import asyncio
import base64
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import permutations

import pytest

from tests.controlplane import ControlPlane
from tests.e2e.acts import fresh
from tests.e2e.crowd import Crowd, crowd, secrets, together, vaultsecrets
from tests.e2e.merging import (
    FIRST,
    STEPS,
    Model,
    change,
    delete,
    remove,
    take,
    withdraw,
)
from tests.e2e.operator import Operator
from tests.e2e.tenant import Body, Tenant
from vaultferry.core.consent import ALLOW
from vaultferry.core.keyring import Keyring
from vaultferry.core.merge import PREFIX, mark

_SECONDS = 90
_CALM_SECONDS = 3

Step = Callable[[Model], None]


@dataclass
class Case:
    """One Secret, the VaultSecrets that merge into it, and an order of steps."""

    number: int
    steps: tuple[Step, ...]
    tenant: Tenant
    model: Model = field(default_factory=Model)

    @property
    def secret(self) -> str:
        return f"{secrets(self.tenant.namespace)}/s{self.number}"

    def vaultsecret(self, who: str) -> str:
        return f"{vaultsecrets(self.tenant.namespace)}/{who}{self.number}"

    async def begin(self, people: Crowd) -> None:
        metadata = {
            "name": f"s{self.number}",
            "namespace": self.tenant.namespace,
            "annotations": {ALLOW: "merge=a*, merge=b*, merge=c*"},
        }
        kind = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
        await people.create(kind | {"stringData": self.model.theirs})

    async def add(self, people: Crowd, who: str) -> None:
        self.model.wants[who] = FIRST[who]
        await people.create(self.manifest(who))

    def manifest(self, who: str) -> Body:
        name = f"{who}{self.number}"
        target = {"name": f"s{self.number}", "creationPolicy": "Merge"}
        sealed = self.tenant.seal(name, **self.model.wants[who])
        return self.tenant.manifest(name, sealed, target=target)

    async def go(self, people: Crowd, turn: int) -> None:
        """Take the next step, and have others edit the Secret beside it."""
        step = self.steps[turn]
        there = "a" in self.model.wants
        step(self.model)
        await self._act(people, step, there=there)
        await self._edit(people, turn)

    async def _act(self, people: Crowd, step: Step, *, there: bool) -> None:
        if step is change:
            await self._change(people, there=there)
        elif step is delete:
            if there:
                await people.delete(self.vaultsecret("a"))
        else:
            await people.patch(f"{self.secret}?fieldManager=kubectl-edit", _EDITS[step])

    async def _change(self, people: Crowd, *, there: bool) -> None:
        manifest = self.manifest("a")
        if not there:
            await people.create(manifest)
            return
        sealed = dict.fromkeys(FIRST["a"]) | manifest["spec"]["sealed"]
        await people.patch(self.vaultsecret("a"), {"spec": {"sealed": sealed}})

    async def _edit(self, people: Crowd, turn: int) -> None:
        """Edit by server-side apply, or by hand: nothing of ours."""
        key, value = ("other", "theirs")[turn % 2], str(turn)
        self.model.set(key, value)
        change = {"data": {key: base64.b64encode(value.encode()).decode()}}
        if key == "other":
            kind = {"apiVersion": "v1", "kind": "Secret"}
            await people.apply(self.secret, kind | change, "another")
        else:
            await people.patch(f"{self.secret}?fieldManager=kubectl-edit", change)

    def expected(self) -> Body:
        """Return what ought to be seen, once the operator had its time."""
        wants, names = self.model.wants, [f"{w}{self.number}" for w in self.model.wants]
        reasons = [self.model.reason(who) for who in wants]
        return {
            "data": self.model.data,
            "records": sorted(map(self._mark, self.model.owns)),
            "reasons": dict(zip(names, reasons, strict=True)),
        }

    def seen(self, found: "Found") -> Body:
        body = found.secrets[f"s{self.number}"]
        data = (body.get("data") or {}).items()
        notes = body["metadata"]["annotations"]
        names = [f"{who}{self.number}" for who in FIRST]
        return {
            "data": {k: base64.b64decode(v).decode() for k, v in data},
            "records": sorted(note for note in notes if note.startswith(PREFIX)),
            "reasons": {
                name: _reason(found.vaultsecrets[name])
                for name in names
                if name in found.vaultsecrets
            },
        }

    def _mark(self, who: str) -> str:
        return mark(f"{self.tenant.namespace}/{who}{self.number}")


_EDITS: Mapping[Step, Body] = {
    take: {"data": {"a1": base64.b64encode(b"taken").decode()}},
    remove: {"data": {"c1": None}},
    withdraw: {"metadata": {"annotations": {ALLOW: None}}},
}


@dataclass(frozen=True)
class Found:
    """All that is there."""

    secrets: Mapping[str, Body]
    vaultsecrets: Mapping[str, Body]


def _reason(body: Body) -> str | None:
    conditions = (body.get("status") or {}).get("conditions") or []
    ready = [c["reason"] for c in conditions if c["type"] == "Ready"]
    return ready[0] if ready else None


DOWN: dict[str, range] = {
    "up throughout": range(0),
    "down for the first two": range(2),
    "down in the middle": range(1, 4),
    "down at the end": range(3, 5),
}


@pytest.fixture
def cases(cluster: ControlPlane, keyring: Keyring) -> Iterator[list[Case]]:
    with fresh(cluster, keyring) as tenant:
        orders = permutations(STEPS)
        yield [Case(number, steps, tenant) for number, steps in enumerate(orders)]


@pytest.mark.parametrize("down", DOWN.values(), ids=DOWN)
def test_in_every_order_exactly_our_keys_come_and_go(
    down: range, cases: list[Case], operator: Operator, cluster: ControlPlane
) -> None:
    began = time.monotonic()

    async def story() -> None:
        async with crowd(cluster) as people:
            await begin(people, cases)
            for turn in range(len(STEPS)):
                if switch(operator, on=turn not in down):
                    await settled(people, cases)
                await together(case.go(people, turn) for case in cases)
                if turn not in down:
                    await settled(people, cases)
            switch(operator, on=True)
            await settled(people, cases)
            await asyncio.sleep(_CALM_SECONDS)
            assert await differing(people, cases) == {}

    try:
        asyncio.run(story())
    finally:
        switch(operator, on=True)
    print(f"{len(cases)} orders in {time.monotonic() - began:.0f} s")


def switch(operator: Operator, *, on: bool) -> bool:
    """Start or stop the operator where it is not so; tell whether it was started."""
    if on and operator.process is None:
        operator.start()
        return True
    if not on and operator.process is not None:
        operator.stop()
    return False


async def begin(people: Crowd, cases: list[Case]) -> None:
    """Make the Secrets, then who has its keys first, then the others."""
    await together(case.begin(people) for case in cases)
    for turn in ("a", "bc"):
        await together(case.add(people, who) for case in cases for who in turn)
        await settled(people, cases)


async def settled(people: Crowd, cases: list[Case]) -> None:
    """Wait until each Secret and VaultSecret is as it ought to be."""
    for case in cases:
        case.model.settle()
    deadline = time.monotonic() + _SECONDS
    while wrong := await differing(people, cases):
        number, (seen, expected) = next(iter(wrong.items()))
        steps = [step.__name__ for step in cases[number].steps]
        story = f"{len(wrong)} wrong; {steps}: {seen}, expected {expected}"
        assert time.monotonic() < deadline, story
        await asyncio.sleep(0.5)


async def differing(people: Crowd, cases: list[Case]) -> dict[int, tuple[Body, Body]]:
    """Return what is seen and what is expected where they differ."""
    namespace = cases[0].tenant.namespace
    found = Found(
        await people.listed(secrets(namespace)),
        await people.listed(vaultsecrets(namespace)),
    )
    both = {case.number: (case.seen(found), case.expected()) for case in cases}
    return {number: pair for number, pair in both.items() if pair[0] != pair[1]}
