"""`vaultferry keygen` and `vaultferry public-key`."""

import os

import click
from cryptography.fernet import Fernet

from vaultferry.cli.refusal import OptionsOnly
from vaultferry.cli.rootkey import read_keyring
from vaultferry.core.suites import WITH_PUBLIC_KEY, Suite


@click.command(cls=OptionsOnly)
def keygen() -> None:
    """Print a new root key.

    It is all there is to back up, and it opens every sealed value of the cluster:
    pipe it to where it will be kept rather than onto a screen.
    """
    click.echo(Fernet.generate_key())


@click.command("public-key", cls=OptionsOnly)
@click.option(
    "--suite",
    type=click.Choice([str(suite) for suite in WITH_PUBLIC_KEY]),
    default=str(Suite.HPKE_X25519),
    show_default=True,
    help="The way to encrypt that the key is for.",
)
def public_key(suite: str) -> None:
    """Print the public key to seal with, on one line.

    Reads the root key from ENCRYPTION_KEY or from the file that ENCRYPTION_KEY_FILE
    names, and the epoch from ENCRYPTION_KEY_EPOCH.
    """
    click.echo(str(read_keyring(os.environ).public_key(Suite(suite))))
