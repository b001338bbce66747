"""`vaultferry completion`, and what kubectl runs to complete the plug-in."""

import sys

import click
from click.shell_completion import ShellComplete, get_completion_class

from vaultferry.cli.refusal import Refused

VARIABLE = "_VAULTFERRY_COMPLETE"

# To kubectl: complete nothing else, such as the names of files.
_NO_FILES = ":4"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script that completes the command in a SHELL."""
    kind = get_completion_class(shell)
    command = context.find_root().command
    if kind is None:
        raise Refused("this version of click does not know that shell")
    click.echo(kind(command, {}, "vaultferry", VARIABLE).source())


def kubectl() -> None:
    """Complete `kubectl vaultferry`; the last argument is what was begun."""
    from vaultferry.cli import main  # noqa: PLC0415 - it imports us

    *arguments, begun = sys.argv[1:] or [""]
    found = ShellComplete(main, {}, "kubectl vaultferry", VARIABLE)
    for item in found.get_completions(arguments, begun):
        click.echo(f"{item.value}\t{item.help or ''}")
    click.echo(_NO_FILES)
