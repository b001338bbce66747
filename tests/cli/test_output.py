import sys

import pytest

from vaultferry.cli import output


class Terminal:
    """A stderr that says that somebody looks at it."""

    def __init__(self) -> None:
        self.shown = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.shown += text
        return len(text)

    def flush(self) -> None:
        """Have nothing to flush."""


def test_progress_is_one_line_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)

    with output.progress() as show:
        show("one")
        show("two\n")

    clear = "\r\x1b[K"
    assert terminal.shown == (f"{clear}one{clear}two\N{REPLACEMENT CHARACTER}{clear}")


def test_scripts_are_shown_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with output.progress() as show:
        show("one")

    assert capsys.readouterr().err == ""
