"""A test that fails shows what the operators said that ran in it."""

import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

from tests.e2e import diagnosis
from tests.e2e.operator import Operator

LATER = 2e9


@pytest.fixture
def operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    """One that ended, and has said a line."""
    log = tmp_path / "operator.log"
    log.write_text('{"event": "started", "level": "info"}\n')
    made = Operator(tmp_path / "kubeconfig", log, {})
    monkeypatch.setattr(diagnosis, "STARTED", [made, made])
    return made


def report(outcome: Literal["passed", "failed"], start: float) -> pytest.TestReport:
    location = ("test_x.py", 1, "test_x")
    made = pytest.TestReport("x", location, {}, outcome, None, "call", start=start)
    hook = diagnosis.pytest_runtest_makereport()
    next(hook)
    with pytest.raises(StopIteration) as ended:
        hook.send(made)
    answered: pytest.TestReport = ended.value.value
    assert answered is made
    return answered


def test_failed_test_shows_the_log_of_an_operator_once(operator: Operator) -> None:
    [(title, text)] = report("failed", start=0).sections
    assert str(operator.log) in title
    assert "started" in text


@pytest.mark.usefixtures("operator")
def test_passed_test_shows_no_log() -> None:
    assert not report("passed", start=0).sections


@pytest.mark.usefixtures("operator")
def test_operator_that_ended_before_the_test_began_is_not_shown() -> None:
    assert not report("failed", start=LATER).sections


def test_operator_that_runs_is_shown_although_it_said_nothing(
    operator: Operator,
) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as operator.process:
        assert len(report("failed", start=LATER).sections) == 1


def test_operator_that_wrote_no_log_is_not_shown(operator: Operator) -> None:
    operator.log.unlink()
    assert not report("failed", start=0).sections


def test_of_a_long_log_the_end_and_what_was_loud_before_are_shown(
    operator: Operator,
) -> None:
    loud = '{"event": "watch ended", "level": "warning"}'
    lines = ['{"event": "reconciled", "level": "debug"}'] * 1000
    operator.log.write_text("\n".join([lines[0], loud, *lines, "the end"]))
    text = diagnosis.last_words(operator.log)
    assert loud in text
    assert text.endswith("the end")
    assert text.count("reconciled") == 59
