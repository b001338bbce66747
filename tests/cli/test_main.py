import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import CANARY, Sealer, refusal, run
from vaultferry.cli import COMMANDS

LAZY = """
import sys
from vaultferry.cli import main
try:
    main()
finally:
    heavy = {"kopf", "kubernetes", "aiohttp", "prometheus_client"} & set(sys.modules)
    print(sorted(heavy), file=sys.stderr)
"""


def loaded(*arguments: str) -> str:
    """Run the command in a process of its own; return the heavy modules it loaded."""
    command = [sys.executable, "-c", LAZY, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stderr.splitlines()[-1]


def test_sealing_loads_nothing_of_the_operator(sealer: Sealer) -> None:
    assert loaded(*sealer.arguments, *sealer.file("a", b"value")) == "[]"


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["keygen"]])
def test_help_and_keygen_load_nothing_of_the_operator(arguments: list[str]) -> None:
    assert loaded(*arguments) == "[]"


def test_help_lists_the_commands_that_are_there() -> None:
    shown = run("--help").stdout
    folder = Path(sys.modules["vaultferry.cli"].__file__ or "").parent

    for name, (module, words) in COMMANDS.items():
        there = (folder / f"{module.rpartition('.')[2]}.py").exists()
        assert (words in shown) == there, name


def test_an_unknown_command_is_refused_in_one_line() -> None:
    assert refusal("ferry") == "No such command 'ferry'. See `vaultferry --help`."


def test_a_missing_option_is_refused_in_one_line() -> None:
    line = "Missing option '--namespace' / '-n'. See `vaultferry seal --help`."

    assert refusal("seal") == line


@pytest.mark.parametrize("command", ["seal", "keygen", "public-key"])
def test_arguments_are_refused_and_not_quoted(command: str, sealer: Sealer) -> None:
    options = sealer.arguments[1:] if command == "seal" else ()

    line = refusal(command, *options, CANARY)

    assert line == f"vaultferry {command} takes options only, no arguments"


@pytest.mark.parametrize("command", ["seal", "keygen", "public-key"])
def test_every_command_and_option_is_documented(command: str) -> None:
    page = Path(__file__).parents[2] / "docs" / "sealing.md"
    options = re.findall(r"--[a-z-]+", run(command, "--help").stdout)

    text = page.read_text(encoding="utf-8")
    assert command in text
    assert not [option for option in options if option not in f"{text} --help"]
