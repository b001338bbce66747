"""A CRD is waited for from the moment that it is made, which kubectl does not do."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.controlplane import ControlPlane
from tests.controlplane import plane as planes
from tests.controlplane.errors import ControlPlaneError

NEW = {"status": {"conditions": None}}
NAMED = {"status": {"conditions": [{"type": "NamesAccepted", "status": "True"}]}}
SERVED = {"status": {"conditions": [{"type": "Established", "status": "True"}]}}


def answering(plane: ControlPlane, folder: Path, *answers: object) -> ControlPlane:
    """Return one whose kubectl answers these in turn, and the last again and again."""
    for number, answer in enumerate(answers):
        (folder / f"{number}.json").write_text(json.dumps(answer))
    tool = folder / "kubectl"
    # It takes away what it answered, but the last.
    tool.write_text(
        f"#!/bin/sh\ncd {folder}\necho >> asked\n"
        "set -- *.json\ncat $1\n[ $# = 1 ] || rm $1\n"
    )
    tool.chmod(0o755)
    return replace(plane, bin_dir=folder)


def asked(folder: Path) -> int:
    return len((folder / "asked").read_text().splitlines())


@pytest.mark.parametrize("answers", [(NEW, NAMED, SERVED), ({}, SERVED), (SERVED,)])
def test_a_crd_without_conditions_is_waited_for(
    answers: tuple[object, ...], control_plane: ControlPlane, tmp_path: Path
) -> None:
    answering(control_plane, tmp_path, *answers).wait_established("crd/a")

    assert asked(tmp_path) == len(answers)


def test_each_of_several_is_waited_for(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    some, all_ = {"items": [SERVED, NEW]}, {"items": [SERVED, SERVED]}

    answering(control_plane, tmp_path, some, all_).wait_established("crd")

    assert asked(tmp_path) == 2


def test_one_that_is_never_served_is_named(
    control_plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planes, "_ESTABLISHED_SECONDS", 0.2)

    with pytest.raises(ControlPlaneError, match="not established: crd/a"):
        answering(control_plane, tmp_path, NAMED).wait_established("crd/a")
