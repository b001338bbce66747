"""The code against the model; `make campaign` has it last longer."""

import os
import time
from pathlib import Path

import pytest

from tests.controlplane import ControlPlane
from tests.model import campaign
from tests.model.campaign import OF_OPERATORS, Plan

_CAMPAIGN = bool(os.environ.get("CAMPAIGN"))


def _plan() -> Plan:
    seed = int(os.environ.get("SEED") or time.time_ns() % 10**6)
    least = int(os.environ.get("MODEL_OPERATIONS") or (20_000 if _CAMPAIGN else 500))
    if _CAMPAIGN:
        return Plan(seed, least)
    # A lease that runs out takes a while, and test_failover.py waits for it as well.
    short = tuple(kind for kind in OF_OPERATORS if kind != "wake late")
    return Plan(seed, least, worlds=12, pause=2.0, disturbances=short)


def test_whatever_is_done_ends_as_the_model_says(
    cluster: ControlPlane, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = _plan()

    with capsys.disabled():
        print(f"\nmodel: seed {plan.seed}", flush=True)
    report = campaign.run(cluster, tmp_path, plan)

    with capsys.disabled():
        print(f"model: {report}")
    assert report.operations >= plan.operations
