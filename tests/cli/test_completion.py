import subprocess
import sys
from shutil import which

import pytest

from tests.cli.command import run
from vaultferry import secrettypes
from vaultferry.cli import COMMANDS, completion, kubectl

LAZY = """
import sys
from vaultferry.cli import main
try:
    main(prog_name="vaultferry", complete_var="_VAULTFERRY_COMPLETE")
finally:
    print({"kubernetes", "kopf"} & set(sys.modules) or "none", file=sys.stderr)
"""


def asked(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["kubectl_complete-vaultferry", *arguments])


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_a_shell_is_given_a_script(shell: str) -> None:
    shown = run("completion", shell).stdout

    assert "_VAULTFERRY_COMPLETE" in shown
    assert f"{shell}_complete" in shown


@pytest.mark.skipif(which("bash") is None, reason="bash is asked for its version")
def test_bash_is_given_a_script() -> None:
    assert "bash_complete" in run("completion", "bash").stdout


def test_completing_a_command_loads_none() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LAZY],
        env={
            "_VAULTFERRY_COMPLETE": "bash_complete",
            "COMP_WORDS": "vaultferry s",
            "COMP_CWORD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.split() == ["plain,seal", "plain,status"]
    assert done.stderr == "none\n"


def test_kubectl_is_told_the_commands_and_no_files(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked(monkeypatch, "cre")

    completion.kubectl()

    words = COMMANDS["create"][1]
    assert capsys.readouterr().out == f"create\t{words}\n:4\n"


def test_kubectl_is_told_the_types(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked(monkeypatch, "explain", "")

    completion.kubectl()

    shown = [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()]
    assert shown == [*secrettypes.names(), ":4"]


def test_kubectl_may_ask_about_nothing_yet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked(monkeypatch)

    completion.kubectl()

    assert len(capsys.readouterr().out.splitlines()) == len(COMMANDS) + 1


def test_the_plug_in_names_itself_as_people_call_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["kubectl-vaultferry", "seal"])

    with pytest.raises(SystemExit):
        kubectl()

    assert "See `kubectl vaultferry seal --help`." in capsys.readouterr().err
