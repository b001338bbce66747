"""`vaultferry reseal`: move the sealed values in manifests to the newest key."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from vaultferry.cli import tokens
from vaultferry.cli.refusal import Refused
from vaultferry.cli.rootkey import read_keyring
from vaultferry.cli.tokens import Found
from vaultferry.core.errors import Failure
from vaultferry.core.keyring import Keyring
from vaultferry.core.sealing import Scope
from vaultferry.core.suites import Suite


@dataclass(frozen=True)
class Wanted:
    """What the options ask for."""

    keyring: Keyring
    namespace: str | None
    suite: Suite | None
    scope: Scope | None


@dataclass(frozen=True)
class Work:
    """A file, what it is to hold, and how many values change by that."""

    path: Path
    content: bytes
    changed: int


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILES...")
@click.option(
    "--namespace", "-n", help="Namespace of the VaultSecrets that name none themselves."
)
@click.option(
    "--scope",
    type=click.Choice([scope.value for scope in Scope]),
    help="Bind the values to this, be it narrower or wider; default: as they are.",
)
@click.option(
    "--suite",
    type=click.Choice([suite.value for suite in Suite]),
    help="The way to encrypt; default: as they are.",
)
@click.option(
    "--check", is_flag=True, help="Write nothing; exit code 1 if anything would change."
)
def reseal(
    files: Sequence[str],
    namespace: str | None,
    scope: str | None,
    suite: str | None,
    *,
    check: bool,
) -> None:
    """Seal the values in manifests again, for the newest root key.

    Reads the root keys from ENCRYPTION_KEY or ENCRYPTION_KEY_FILE; the newest seals,
    the others open. The files keep every byte but the tokens, and a token that is as
    wanted stays as it is. Nothing is written unless all of it can be.
    """
    wanted = Wanted(
        read_keyring(os.environ),
        namespace,
        Suite(suite) if suite else None,
        Scope(scope) if scope else None,
    )
    works = [work for work in _planned(files, wanted) if work.changed]
    for work in works:
        if not check:
            _write(work)
        done = "to be resealed" if check else "resealed"
        click.echo(
            f"{work.path}: {work.changed} {done} for key {wanted.keyring.key_id}"
        )
    if check and works:
        raise SystemExit(1)


def _planned(files: Sequence[str], wanted: Wanted) -> list[Work]:
    """Return what is to be done, or say of each file what cannot be."""
    works, refusals = [], []
    for number, file in enumerate(files, start=1):
        try:
            works.append(_plan(_read(file, f"file {number} of {len(files)}"), wanted))
        except Refused as refused:
            refusals += refused.format_message().split("\n")
    if not refusals:
        return works
    for line in refusals[:-1]:
        click.echo(f"Error: {line}", err=True)
    raise Refused(f"{refusals[-1]}; nothing was written")


def _read(file: str, which: str) -> tuple[Path, bytes]:
    # Shown only once it is seen to be a file: people put other things here.
    try:
        path = Path(file).resolve(strict=True)
        return path, path.read_bytes()
    except OSError as error:
        why = error.strerror
    except ValueError:
        why = "no name of a file"
    raise Refused(f"{which}: cannot be read: {why}")


def _plan(read: tuple[Path, bytes], wanted: Wanted) -> Work:
    path, content = read
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise Refused(f"{path}: not UTF-8") from None
    try:
        found = tokens.find(text, wanted.namespace)
    except Refused as refused:
        raise Refused(f"{path}: {refused.format_message()}") from None
    changes = list(_resealed(path, found, wanted))
    changed = sum(value.token != token for value, token in changes)
    return Work(path, tokens.replaced(text, changes).encode(), changed)


def _resealed(
    path: Path, found: Sequence[Found], wanted: Wanted
) -> Iterator[tuple[Found, str]]:
    refusals = []
    for value in found:
        place = value.place
        try:
            token = wanted.keyring.resealed(
                value.token, place, wanted.suite, wanted.scope
            )
        except Failure as failure:
            where = f"{path}: VaultSecret {place.namespace}/{place.name}"
            refusals.append(f"{where}: {failure}")
        else:
            yield value, token
    if refusals:
        raise Refused("\n".join(refusals))


def _write(work: Work) -> None:
    try:
        _replace(work.path, work.content)
    except OSError as error:
        why = error.strerror
    else:
        return
    raise Refused(f"{work.path}: cannot be written: {why}")


def _replace(path: Path, content: bytes) -> None:
    """Replace a file as a whole: whoever ends meanwhile leaves the old or the new."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    new = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(descriptor, path.stat().st_mode & 0o7777)
            os.fsync(descriptor)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
