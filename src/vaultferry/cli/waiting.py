"""Waits until a VaultSecret that was just written is Ready, or says why not."""

import asyncio
import time
from typing import Any

import click

from vaultferry.cli import output
from vaultferry.cli.remote import Where, understood
from vaultferry.cluster import Cluster
from vaultferry.core.answers import Body
from vaultferry.core.condition import Condition
from vaultferry.core.vaultsecret import Status

_PAUSE_SECONDS = 0.5
_NOT_READY = 1


def option() -> click.Parameter:
    """Return the option that asks for it."""
    return click.Option(
        ["--wait"],
        metavar="SECONDS",
        type=click.IntRange(1, 3600),
        help="Wait so long at most until it is Ready.",
    )


def is_ready(body: Body) -> bool:
    """Tell whether a VaultSecret is Ready, and that of its present generation."""
    told = Status.model_validate(body.get("status") or {})
    generation: Any = body["metadata"]["generation"]
    return told.ready and told.observed_generation == generation


def wait(where: Where, name: str, seconds: int) -> None:
    """Wait until it is Ready; end the command where it is not or will not be."""
    absent = f"VaultSecret {name} was deleted meanwhile"
    with understood("get", where, absent=absent, stale=absent):
        body = where.ask(lambda cluster: _watched(cluster, where, name, seconds))
    if is_ready(body):
        output.say("Ready", good=True)
        return
    trouble = _trouble(body)
    why = f"{trouble.reason}: {trouble.message}" if trouble else "nobody looked at it"
    output.say(f"not Ready: {output.plain(why)}", good=False)
    raise SystemExit(_NOT_READY)


async def _watched(cluster: Cluster, where: Where, name: str, seconds: int) -> Body:
    deadline = time.monotonic() + seconds
    with output.progress() as show:
        while True:
            body = await cluster.get_vaultsecret(where.namespace, name)
            left = deadline - time.monotonic()
            if is_ready(body) or _trouble(body, "Stalled") or left <= 0:
                return body
            show(f"waiting until {name} is Ready: {left:.0f} s")
            await asyncio.sleep(_PAUSE_SECONDS)


def _trouble(body: Body, kind: str = "Ready") -> Condition | None:
    """Return a condition that says why it is not Ready, of the present generation."""
    told = Status.model_validate(body.get("status") or {})
    found = told.condition(kind)
    generation = body["metadata"]["generation"]
    return found if found and found.observed_generation == generation else None
