"""How long work takes beside other work: no machine is as fast as another."""

import time
from collections.abc import Callable


def ratio(work: Callable[[], object], other: Callable[[], object]) -> float:
    """Return how many times the CPU time of other work it takes, at the best of five.

    They take turns, so a machine that is slow for a while is so for both.
    """
    took = [(_seconds(work), _seconds(other)) for _ in range(5)]
    return min(ours for ours, _ in took) / min(theirs for _, theirs in took)


def _seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    for _ in range(20):
        work()
    return time.process_time() - began
