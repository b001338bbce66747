"""The `vaultferry` command: each subcommand is imported only when it is used."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any, cast

import click

from vaultferry.cli.refusal import Refused
from vaultferry.core.errors import Failure, PublicKeyInvalid, RootKeyInvalid

COMMANDS = {
    "check": ("vaultferry.cli.check", "Check manifests, offline."),
    "keygen": ("vaultferry.cli.keys", "Print a new root key."),
    "public-key": ("vaultferry.cli.keys", "Print the public key to seal with."),
    "reseal": ("vaultferry.cli.reseal", "Move manifests to the newest key."),
    "rotate": ("vaultferry.cli.rotate", "Move the cluster to the newest key."),
    "run": ("vaultferry.cli.run", "Run the operator."),
    "seal": ("vaultferry.cli.seal", "Seal values for Git."),
}


class LazyGroup(click.Group):
    """Commands by name; `seal` must not load what only the operator needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands whose module is there."""
        del ctx
        return [name for name, (module, _) in COMMANDS.items() if find_spec(module)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; its function is named like it."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module, _ = COMMANDS[cmd_name]
        command = getattr(import_module(module), cmd_name.replace("-", "_"))
        return cast("click.Command", command)

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """Write the list for --help without importing any command."""
        names = self.list_commands(ctx)
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in names])

    def invoke(self, ctx: click.Context) -> Any:
        """Turn expected failures, whose words hold no value, into one line."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            command = (error.ctx or ctx).command_path
            words = f"{error.format_message()} See `{command} --help`."
            raise Refused(words) from None
        except (Failure, PublicKeyInvalid, RootKeyInvalid) as error:
            raise Refused(str(error)) from None


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vaultferry")
def main() -> None:
    """Ferry credentials from vaults into Secrets, and show them nowhere else."""
