"""Thirty objects through every phase: what is counted holds on any machine."""

import asyncio
from collections.abc import Mapping

import pytest

from benchmarks.__main__ import measure
from benchmarks.bench import bench
from benchmarks.objects import LARGE_FIELDS
from benchmarks.settings import Settings
from tests.controlplane import ControlPlane
from tests.e2e.operator import install

COUNT = 30
REST_SECONDS = 3.0
LARGE = 2


@pytest.fixture(scope="module")
def figures(
    control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, float]:
    if control_plane.audit_log is None:
        pytest.skip("the cluster given with --kubeconfig has no audit log to read")
    install(control_plane)
    folder = tmp_path_factory.mktemp("bench")

    async def measured() -> Mapping[str, float]:
        async with bench(control_plane, folder) as prepared:
            wanted = Settings((COUNT,), REST_SECONDS, None, {})
            return await measure(prepared, COUNT, wanted, large=LARGE)

    return asyncio.run(measured())


def test_a_first_sync_is_two_writes_and_no_read(figures: Mapping[str, float]) -> None:
    assert figures["first_sync.writes_per_object"] == 2
    assert figures["first_sync.reads_per_object"] == 0
    assert figures["first_sync.calls.create_secrets"] == 1
    assert figures["first_sync.calls.update_vaultsecrets/status"] == 1


def test_at_rest_there_is_no_call_but_for_the_lease(
    figures: Mapping[str, float],
) -> None:
    assert figures["rest.calls"] == 0


def test_a_restart_writes_nothing_and_reads_no_object(
    figures: Mapping[str, float],
) -> None:
    assert figures["restart.writes"] == 0
    assert figures["restart.reads_per_object"] == 0


def test_a_change_is_two_writes_and_no_read(figures: Mapping[str, float]) -> None:
    assert figures["change.objects"] == COUNT
    assert figures["change.writes_per_object"] == 2
    assert figures["change.reads_per_object"] == 0


def test_a_doppler_is_asked_for_a_config_and_not_for_each_object(
    figures: Mapping[str, float],
) -> None:
    # For all of them, for the token, and where that takes as long as ten seconds.
    assert 1 <= figures["doppler.first_sync.vault_calls"] <= 4
    assert figures["doppler.first_sync.calls.create_secrets"] == 1
    assert figures["doppler.first_sync.calls.update_vaultsecrets/status"] == 1
    assert figures["doppler.refresh.vault_calls"] == 1
    assert figures["doppler.refresh.writes_per_object"] == 2
    assert figures["doppler.rest.calls"] == 0


def test_the_largest_objects_are_nearly_as_large_as_is_legal(
    figures: Mapping[str, float],
) -> None:
    assert 512 - LARGE_FIELDS < figures["largest.sealed_kib"] <= 512


def test_every_promised_figure_is_there(figures: Mapping[str, float]) -> None:
    promised = {
        "bare.objects_per_s",
        "first_sync.objects_per_s",
        "first_sync.ratio",
        "first_sync.memory_mib",
        "first_sync.cpu_s_per_1000",
        "rest.lease_calls",
        "restart.reads",
        "change.p99_s",
        "doppler.first_sync.ratio",
        "doppler.refresh.memory_mib",
        "largest.memory_mib",
    }

    assert promised - figures.keys() == set()


def test_nothing_is_left_behind(
    figures: Mapping[str, float], control_plane: ControlPlane
) -> None:
    assert figures

    listed = control_plane.kubectl("get", "namespaces", "-o", "name")

    assert "bench-" not in listed
