"""Chance from a seed that is printed, so that a run can be repeated."""

import os
import random
import secrets


def seed() -> int:
    """Return the seed of FAULTS_SEED, or a new one; print it."""
    given = os.environ.get("FAULTS_SEED")
    chosen = int(given) if given else secrets.randbelow(2**32)
    print(f"FAULTS_SEED={chosen}")
    return chosen


def chance() -> random.Random:
    """Return chance from that seed."""
    return random.Random(seed())
