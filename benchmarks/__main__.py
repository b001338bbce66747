"""`make bench`: measure, print a table, write the figures."""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

from benchmarks import (
    bare,
    doppler,
    eso,
    machine,
    objects,
    own,
    rivals,
    sealedsecrets,
    settings,
    table,
)
from benchmarks.bench import Bench, bench
from benchmarks.figures import Figures, named, with_ratios
from benchmarks.machine import Machine
from benchmarks.settings import Settings
from tests.controlplane import start
from tests.e2e.operator import install

_RIVALS = {"eso": eso.rival, "sealed": sealedsecrets.rival}


async def measure(
    prepared: Bench, count: int, wanted: Settings, *, large: int = 0
) -> Figures:
    """Measure one number of objects, everybody on the same control plane.

    Args:
        prepared: where.
        count: of how many objects.
        wanted: what else is to be measured.
        large: how many of the largest objects, if any.
    """
    say(f"{count} objects: the bare client")
    figures = named("bare", await bare.measure(prepared, count))
    say(f"{count} objects: the operator")
    figures |= await own.measure(prepared, count, wanted.rest_seconds)
    for name, versus in wanted.versus.items():
        say(f"{count} objects: {name}")
        rival = await asyncio.to_thread(_RIVALS[name], prepared, versus)
        rest = wanted.rest_seconds
        theirs = await rivals.measure(prepared, name, rival, count, rest)
        figures |= named(name, theirs)
    figures |= await at_doppler(prepared, count, wanted)
    if large:
        say(f"{large} of the largest objects")
        figures |= named("largest", await own.largest(prepared, large))
    return with_ratios(figures)


async def at_doppler(prepared: Bench, count: int, wanted: Settings) -> Figures:
    """Measure who takes values from a vault: of another one, what did best."""
    figures: Figures = {}
    best: Figures = {}
    with doppler.vault(wanted.doppler_limit) as there:
        chosen = objects.keys("doppler", count)
        sides = [doppler.own(prepared, there.process, chosen)]
        if "eso" in wanted.versus:
            versus = wanted.versus["eso"]
            sides += await asyncio.to_thread(
                eso.sides, prepared, there.process, versus, count
            )
        for side in sides:
            say(f"{count} objects: {side.name} at a Doppler")
            rest = wanted.rest_seconds
            found = await doppler.measure(prepared, there, side, chosen, rest)
            rate = found["first_sync.objects_per_s"]
            if side.name == "own":
                figures |= named("doppler", found)
            else:
                figures[f"eso.doppler.{side.name}.objects_per_s"] = rate
                best = max(best, found, key=_rate)
    return figures | named("eso.doppler", best)


def _rate(figures: Figures) -> float:
    return figures.get("first_sync.objects_per_s", 0.0)


async def run(wanted: Settings) -> tuple[Machine, list[Figures]]:
    """Measure each number of objects on a control plane of its own."""
    before, version = machine.load(), ""
    runs: list[Figures] = []
    for count in wanted.sizes:
        async with _fresh() as prepared:
            version = await prepared.admin.version()
            large = 0 if runs else own.LARGE
            runs.append(await measure(prepared, count, wanted, large=large))
    return machine.machine(version, before), runs


def say(text: str) -> None:
    """Tell a person who waits what goes on."""
    print(f"bench: {text} …", file=sys.stderr, flush=True)


@asynccontextmanager
async def _fresh() -> AsyncIterator[Bench]:
    with (
        tempfile.TemporaryDirectory(prefix="vaultferry-bench-") as folder,
        start() as it,
    ):
        install(it)
        async with bench(it, Path(folder)) as prepared:
            yield prepared


def main() -> None:
    """Measure what the environment asks for."""
    try:
        wanted = settings.read(os.environ)
    except settings.SettingInvalid as error:
        raise SystemExit(f"bench: {error}") from None
    where, runs = asyncio.run(run(wanted))
    print("\n".join(["", *where.lines(), "", table.render(runs, wanted.versus)]))
    if wanted.json:
        content = {"machine": asdict(where), "runs": runs}
        wanted.json.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
