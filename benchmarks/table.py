"""The table that a person reads."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from benchmarks.figures import Figures, growth

_UNITS = {
    "objects_per_s": "1/s",
    "seconds": "s",
    "start_s": "s",
    "settled_s": "s",
    "cpu_s": "s",
    "p50_s": "s",
    "p99_s": "s",
    "cpu_s_per_1000": "s",
    "apiserver_cpu_s_per_1000": "s",
    "etcd_cpu_s_per_1000": "s",
    "memory_mib": "MiB",
    "peak_mib": "MiB",
    "sealed_kib": "KiB",
}
_PHASES = ("bare", "first_sync", "rest", "restart", "change", "doppler", "largest")
_HUNDRED = 100


class Column(NamedTuple):
    """What one contestant did with one number of objects."""

    heading: str
    figures: Figures


def columns(runs: Sequence[Figures], contestants: Iterable[str]) -> list[Column]:
    """Return a column for each run, one for each contestant in it."""
    found = []
    for run in runs:
        heading = f"N={run['bare.objects']:.0f}"
        own = {k: v for k, v in run.items() if k.partition(".")[0] in _PHASES}
        found.append(Column(f"ours {heading}", own))
        for name in contestants:
            theirs = _of(name, run)
            found.append(Column(f"{name} {heading}", theirs))
    return found


def render(runs: Sequence[Figures], contestants: Iterable[str] = ()) -> str:
    """Return the table; with several sizes, growth is the last one by the first."""
    shown = columns(runs, contestants)
    several = len(runs) > 1
    head = ["", "unit", *(column.heading for column in shown)]
    rows = [head + ["growth"] * several]
    for name in _names(shown):
        cells = [_number(column.figures.get(name)) for column in shown]
        last = [_times(growth(runs, name))] if several else []
        rows.append([name, _unit(name), *cells, *last])
    return _aligned(rows)


def _of(name: str, run: Mapping[str, float]) -> Figures:
    prefix = f"{name}."
    return {k.removeprefix(prefix): v for k, v in run.items() if k.startswith(prefix)}


def _names(shown: Sequence[Column]) -> list[str]:
    """Return the names of all rows: by phase, then as they were measured."""
    every = dict.fromkeys(name for column in shown for name in column.figures)
    return sorted(every, key=lambda name: _PHASES.index(name.partition(".")[0]))


def _unit(name: str) -> str:
    return _UNITS.get(name.rpartition(".")[2].removeprefix("steady_"), "")


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    if value == int(value):
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= _HUNDRED else f"{value:.3g}"


def _times(value: float | None) -> str:
    return "" if value is None else f"x {value:.2f}"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for name, unit, *cells in rows:
        numbers = [
            cell.rjust(width) for cell, width in zip(cells, widths[2:], strict=True)
        ]
        words = [name.ljust(widths[0]), unit.ljust(widths[1])]
        lines.append("  ".join([*words, *numbers]).rstrip())
    return "\n".join(lines)
