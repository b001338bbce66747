"""The `vaultferry` command: each subcommand is imported only when it is used."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any, cast

import click
from click.shell_completion import CompletionItem

from vaultferry.cli.refusal import Refused
from vaultferry.core.errors import Failure, PublicKeyInvalid, RootKeyInvalid

COMMANDS = {
    "check": ("vaultferry.cli.check", "Check manifests, offline."),
    "completion": (
        "vaultferry.cli.completion",
        "Print a script that completes the command in a shell.",
    ),
    "create": ("vaultferry.cli.create", "Seal values and create a VaultSecret."),
    "delete": ("vaultferry.cli.look", "Delete a VaultSecret at once."),
    "explain": ("vaultferry.cli.explain", "Say what a type of credentials takes."),
    "keygen": ("vaultferry.cli.keys", "Print a new root key."),
    "list": ("vaultferry.cli.look", "List the names of VaultSecrets."),
    "public-key": ("vaultferry.cli.keys", "Print the public key to seal with."),
    "reseal": ("vaultferry.cli.reseal", "Move manifests to the newest key."),
    "rotate": ("vaultferry.cli.rotate", "Move the cluster to the newest key."),
    "run": ("vaultferry.cli.run", "Run the operator."),
    "seal": ("vaultferry.cli.seal", "Seal values for Git."),
    "status": ("vaultferry.cli.look", "Show how it is with a VaultSecret."),
    "uninstall": (
        "vaultferry.cli.uninstall",
        "Say what stores keep, and let go of it.",
    ),
    "update": ("vaultferry.cli.create", "Overwrite the values of a VaultSecret."),
    "webhook": ("vaultferry.cli.webhook", "Run the sealing webhook."),
    "webhook-configuration": (
        "vaultferry.cli.webhook",
        "Print what makes the API server ask the webhook.",
    ),
}

# What Python has a function of its own for.
_NAMED_OTHERWISE = {"list": "list_names"}


class LazyGroup(click.Group):
    """Commands by name; `seal` must not load what only the operator needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands whose module is there."""
        del ctx
        return [name for name, (module, _) in COMMANDS.items() if find_spec(module)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; its function is named like it, where it can be."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module, _ = COMMANDS[cmd_name]
        name = _NAMED_OTHERWISE.get(cmd_name, cmd_name.replace("-", "_"))
        command = getattr(import_module(module), name)
        return cast("click.Command", command)

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """Write the list for --help without importing any command."""
        names = self.list_commands(ctx)
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in names])

    def shell_complete(
        self, ctx: click.Context, incomplete: str
    ) -> list[CompletionItem]:
        """Complete the name of a command without importing any."""
        names = [n for n in self.list_commands(ctx) if n.startswith(incomplete)]
        items = [CompletionItem(name, help=COMMANDS[name][1]) for name in names]
        return [*items, *click.Command.shell_complete(self, ctx, incomplete)]

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


def kubectl() -> None:
    """Be `kubectl vaultferry`: kubectl runs what is named kubectl-vaultferry."""
    main(prog_name="kubectl vaultferry", complete_var="_VAULTFERRY_COMPLETE")
