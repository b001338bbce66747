"""What any contestant is measured in: first sync, rest, restart."""

import asyncio
import time
from collections.abc import Sequence

from benchmarks.bench import Bench, Contestant, Process, stopping
from benchmarks.figures import Figures, named, per_object
from benchmarks.objects import Key
from benchmarks.usage import Cpu, Memory, has_ended, seconds, settled
from benchmarks.watching import Arrivals, arrivals
from tests.controlplane.errors import last_lines


class Ended(Exception):
    """The program under test ended by itself."""


async def measure(
    bench: Bench, contestant: Contestant, chosen: Sequence[Key], rest_seconds: float
) -> Figures:
    """Measure all three; it is not started before, and goes on running.

    Raises:
        Ended: it does not.
    """
    first = await first_sync(bench, contestant, chosen)
    rest = await at_rest(bench, contestant, chosen, rest_seconds)
    # The figures of one that is dead would be good ones.
    _check(contestant.process)
    again = await restart(bench, contestant, chosen)
    _check(contestant.process)
    return {
        **named("first_sync", first),
        **named("rest", rest),
        **named("restart", again),
    }


async def first_sync(
    bench: Bench, contestant: Contestant, chosen: Sequence[Key]
) -> Figures:
    """Start it where the objects exist; wait until the last one is Ready."""
    count, process = len(chosen), contestant.process
    place, before = await bench.place(), Cpu.of(None, bench.plane)
    started = [before]

    def at_first() -> None:
        started.append(Cpu.of(process.pid, bench.plane))

    watched = (contestant.collection, chosen, contestant.done, at_first)
    async with arrivals(bench.admin, *watched) as seen:
        began = time.monotonic()
        await asyncio.to_thread(process.start, ready=False)
        await _all(seen, process)
    after = Cpu.of(process.pid, bench.plane)
    await settled(process.pid)
    await bench.quiet(place, contestant)
    calls = await bench.calls(place, contestant, chosen)
    memory = Memory.of(process.pid)
    steady = _without_start(seen, after - started[-1])
    return {
        "objects": count,
        "seconds": seen.last - began,
        "objects_per_s": count / (seen.last - began),
        "start_s": seen.first - began,
        **per_object(calls, count),
        **(after - before).per_1000(count),
        **steady,
        "memory_mib": memory.now_mib,
        "peak_mib": memory.peak_mib,
    }


async def at_rest(
    bench: Bench, contestant: Contestant, chosen: Sequence[Key], rest_seconds: float
) -> Figures:
    """Let it be for a while."""
    pid = contestant.process.pid
    place, before = await bench.place(), seconds(pid)
    await asyncio.sleep(rest_seconds)
    calls = await bench.calls(place, contestant, chosen)
    return {
        "seconds": rest_seconds,
        "calls": calls.all,
        "lease_calls": calls.leases,
        "cpu_s": seconds(pid) - before,
        "memory_mib": Memory.of(pid).now_mib,
    }


async def restart(
    bench: Bench, contestant: Contestant, chosen: Sequence[Key]
) -> Figures:
    """Stop it and start it again, with nothing changed."""
    process = contestant.process
    async with stopping(process):
        pass
    place, began = await bench.place(), time.monotonic()
    await asyncio.to_thread(process.start)
    since = await settled(process.pid)
    await bench.quiet(place, contestant)
    used, memory = seconds(process.pid), Memory.of(process.pid)
    calls = await bench.calls(place, contestant, chosen)
    return {
        "settled_s": since - began,
        "writes": calls.writes,
        "reads": calls.reads,
        "reads_per_object": calls.object_reads / len(chosen),
        "cpu_s": used,
        "memory_mib": memory.now_mib,
        "peak_mib": memory.peak_mib,
    }


async def _all(seen: Arrivals, process: Process) -> None:
    task = asyncio.create_task(seen.all())
    try:
        while not task.done():
            await asyncio.wait([task], timeout=1)
            _check(process)
    finally:
        task.cancel()
    await task


def _check(process: Process) -> None:
    if has_ended(process.pid):
        raise Ended(f"it ended by itself:\n{last_lines(process.log)}")


def _without_start(seen: Arrivals, used: Cpu) -> Figures:
    """Return speed and cost from the first object that was Ready to the last."""
    count = max(len(seen.times) - 1, 1)
    figures = {"objects_per_s": count / max(seen.last - seen.first, 1e-3)}
    figures |= used.per_1000(count)
    return {f"steady_{name}": value for name, value in figures.items()}
