"""Shows with a test that failed what the operators said that ran in it."""

from collections.abc import Generator, Iterable
from pathlib import Path

import pytest

from tests.e2e.operator import STARTED, Operator

_LINES = 60
_LOUD = 20
_QUIET = ('"level": "debug"', '"level": "info"')


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[
    None, pytest.TestReport, pytest.TestReport
]:
    """Give the report of a failed test a section for each operator."""
    report = yield
    if report.failed:
        report.sections += sections(STARTED, report.start)
    return report


def sections(operators: Iterable[Operator], since: float) -> list[tuple[str, str]]:
    """Return title and text for each log of an operator that ran since that time.

    Args:
        operators: those that were started, each perhaps many times.
        since: seconds since the epoch.
    """
    logs = {each.log for each in operators if _ran(each, since)}
    return [(f"log of the operator, {log}", last_words(log)) for log in sorted(logs)]


def last_words(log: Path) -> str:
    """Return the end of a log, and before it what was loud before that."""
    lines = log.read_text(errors="replace").splitlines()
    before, end = lines[:-_LINES], lines[-_LINES:]
    loud = [line for line in before if not any(quiet in line for quiet in _QUIET)]
    told = ["loud before that:", *loud[-_LOUD:], "", "at the end:"] if loud else []
    return "\n".join([*told, *end])


def _ran(operator: Operator, since: float) -> bool:
    """Tell whether it runs still, said anything or not, or said something."""
    if not operator.log.exists():
        return False
    return operator.process is not None or operator.log.stat().st_mtime >= since
