"""How the command says no: one line on stderr and exit code 2, never a value."""

from typing import Any

import click


class Refused(click.ClickException):
    """Wrong use or a bad key; the message never holds a value."""

    exit_code = 2


class OptionsOnly(click.Command):
    """A command without arguments; click itself would quote the one too many."""

    allow_extra_args = True

    def invoke(self, ctx: click.Context) -> Any:
        """Refuse arguments: one of them may well be a value or a key."""
        if ctx.args:
            raise Refused(f"{ctx.command_path} takes options only, no arguments")
        return super().invoke(ctx)


class Named(click.Command):
    """A command with one name and options; click would quote the one too many."""

    allow_extra_args = True

    def invoke(self, ctx: click.Context) -> Any:
        """Refuse further arguments: one of them may well be a value."""
        if ctx.args:
            raise Refused(f"{ctx.command_path} takes one name and options, no more")
        return super().invoke(ctx)
