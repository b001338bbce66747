"""`vaultferry completion`, and what kubectl runs to complete the plug-in."""

import sys

import click
from click.shell_completion import (
    BashComplete,
    FishComplete,
    ShellComplete,
    ZshComplete,
)

VARIABLE = "_VAULTFERRY_COMPLETE"

_SHELLS: dict[str, type[ShellComplete]] = {
    "bash": BashComplete,
    "zsh": ZshComplete,
    "fish": FishComplete,
}

# To kubectl: complete nothing else, such as the names of files.
_NO_FILES = ":4"


@click.command()
@click.argument("shell", type=click.Choice(list(_SHELLS)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script that completes the command in a SHELL."""
    command = context.find_root().command
    click.echo(_SHELLS[shell](command, {}, "vaultferry", VARIABLE).source())


def kubectl() -> None:
    """Complete `kubectl vaultferry`; the last argument is what was begun."""
    from vaultferry.cli import main  # noqa: PLC0415 - it imports us

    *arguments, begun = sys.argv[1:] or [""]
    found = ShellComplete(main, {}, "kubectl vaultferry", VARIABLE)
    for item in found.get_completions(arguments, begun):
        click.echo(f"{item.value}\t{item.help or ''}")
    click.echo(_NO_FILES)
