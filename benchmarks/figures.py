"""Figures by their stable names, and what is computed from them."""

import math
from collections.abc import Iterable, Mapping, Sequence

from benchmarks.calls import Calls

Figures = dict[str, float]


def percentile(values: Iterable[float], percent: float) -> float:
    """Return the smallest value that so many percent of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def named(prefix: str, figures: Mapping[str, float]) -> Figures:
    """Return figures with a prefix to their names."""
    return {f"{prefix}.{name}": value for name, value in figures.items()}


def per_object(calls: Calls, objects: int) -> Figures:
    """Return calls per object, writes and reads in all and each kind of call."""
    kinds = {
        f"calls.{kind.replace(' ', '_')}": number / objects
        for kind, number in sorted(calls.by_kind.items())
    }
    return {
        "writes_per_object": calls.writes / objects,
        "reads_per_object": calls.object_reads / objects,
        "other_reads": calls.reads - calls.object_reads,
        **kinds,
    }


def with_ratios(figures: Figures) -> Figures:
    """Return figures with the ratios to the bare client of the same run."""
    bare = figures["bare.objects_per_s"]
    rates = {
        name: value
        for name, value in figures.items()
        if name.endswith(
            ("first_sync.objects_per_s", "first_sync.steady_objects_per_s")
        )
    }
    ratios = {
        name.replace("objects_per_s", "ratio"): value / bare
        for name, value in rates.items()
    }
    return figures | ratios


def growth(runs: Sequence[Figures], name: str) -> float | None:
    """Return what a figure of the last run is in terms of the first one's."""
    first, last = runs[0].get(name), runs[-1].get(name)
    return last / first if first and last is not None else None
