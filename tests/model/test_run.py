"""The code against the model: briefly, and at length with `make campaign`."""

import os
import time
from pathlib import Path

import pytest

from tests.controlplane import ControlPlane
from tests.model import campaign
from tests.model.campaign import Plan

_CAMPAIGN = bool(os.environ.get("CAMPAIGN"))
_BRIEF = Plan(seed=1, operations=500, pause=3.0, thorough=False)


def _plan() -> Plan:
    if not _CAMPAIGN:
        return _BRIEF
    seed = int(os.environ.get("SEED") or time.time_ns() % 10**6)
    return Plan(seed, int(os.environ.get("MODEL_OPERATIONS") or 20_000))


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
