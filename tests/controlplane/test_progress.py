"""Progress is for what is slow."""

import time

import pytest

from tests.controlplane.progress import QUIET_SECONDS, Progress


def test_what_is_quick_goes_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("baking"):
        pass

    assert capsys.readouterr().err == ""


def test_what_is_slow_is_named_with_its_seconds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Progress("baking") as progress:
        progress.detail = "a cake"
        time.sleep(QUIET_SECONDS + 0.3)

    assert capsys.readouterr().err.splitlines() == [
        "baking: 1 s, a cake",
        "baking: 1 s, done",
    ]
