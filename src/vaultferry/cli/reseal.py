"""`vaultferry reseal`: move the sealed values in manifests to the newest key."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from pathlib import Path

import click

from vaultferry.cli import resealers, tokens
from vaultferry.cli.refusal import Refused
from vaultferry.cli.resealers import Answer, Resealer
from vaultferry.cli.rootkey import is_given, read_keyring
from vaultferry.cli.tokens import Resource
from vaultferry.core.resealing import Wish
from vaultferry.core.sealing import Scope, key_ids
from vaultferry.core.suites import Suite


@dataclass(frozen=True)
class Text:
    """A file, and the VaultSecrets in it."""

    path: Path
    text: str
    resources: Sequence[Resource]


@dataclass(frozen=True)
class Work:
    """A file, what it is to hold, and the tokens in that which are new."""

    path: Path
    content: bytes
    new: Sequence[str]


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILES...")
@click.option(
    "--namespace", "-n", help="Namespace of the VaultSecrets that name none themselves."
)
@click.option(
    "--scope",
    type=click.Choice([scope.value for scope in Scope]),
    help="Bind the values to this, wider only with the root key; default: as they are.",
)
@click.option(
    "--suite",
    type=click.Choice([suite.value for suite in Suite]),
    help="The way to encrypt; default: as they are.",
)
@click.option(
    "--check", is_flag=True, help="Write nothing; exit code 1 if anything would change."
)
@click.option("--kubeconfig", help="Without a root key; default: kubectl's.")
@click.option("--context", help="Without a root key: a context of the kubeconfig.")
def reseal(
    files: Sequence[str],
    namespace: str | None,
    *,
    check: bool,
    **options: str | None,
) -> None:
    """Seal the values in manifests again, for the newest root key.

    Reads the root keys from ENCRYPTION_KEY or ENCRYPTION_KEY_FILE; the newest seals,
    the others open. Without any, the webhook of the cluster is asked by dry-runs, with
    your rights there. The files keep every byte but the tokens, and a token that is as
    wanted stays as it is. Nothing is written unless all of it can be.
    """
    works = [
        work for work in _planned(files, namespace, _resealer(**options)) if work.new
    ]
    for work in works:
        if not check:
            _write(work)
        done = "to be resealed" if check else "resealed"
        keys = ", ".join(key_ids(dict(enumerate(work.new))))
        click.echo(f"{work.path}: {len(work.new)} {done} for key {keys}")
    if check and works:
        raise SystemExit(1)


def _resealer(
    scope: str | None, suite: str | None, kubeconfig: str | None, context: str | None
) -> Resealer:
    wish = Wish(Suite(suite) if suite else None, Scope(scope) if scope else None)
    if not is_given(os.environ):
        dryrun = import_module("vaultferry.cli.dryrun")
        resealer: Resealer = dryrun.by_webhook(kubeconfig, context, wish)
        return resealer
    if kubeconfig or context:
        raise Refused(
            "--kubeconfig and --context say whom to ask, and a root key is here: leave "
            "one of them out"
        )
    return resealers.by_root_key(read_keyring(os.environ), wish)


def _planned(
    files: Sequence[str], namespace: str | None, resealer: Resealer
) -> list[Work]:
    """Return what is to be done, or say of each file what cannot be."""
    found = [
        _found(file, f"file {number} of {len(files)}", namespace)
        for number, file in enumerate(files, start=1)
    ]
    texts = [each for each in found if isinstance(each, Text)]
    answers = iter(resealer([each for text in texts for each in text.resources]))
    outcomes = [_outcome(each, answers) for each in found]
    _refuse([each for o in outcomes if isinstance(o, list) for each in o])
    return [each for each in outcomes if isinstance(each, Work)]


def _outcome(found: Text | Refused, answers: Iterator[Answer]) -> Work | list[Refused]:
    if isinstance(found, Refused):
        return [found]
    own = list(islice(answers, len(found.resources)))
    refusals = [_in(found.path, refused) for each in own for refused in each.refusals]
    return refusals or _work(found, own)


def _refuse(refusals: Sequence[Refused]) -> None:
    if not refusals:
        return
    for refused in refusals[:-1]:
        click.echo(f"Error: {refused.format_message()}", err=True)
    last = refusals[-1]
    raise type(last)(f"{last.format_message()}; nothing was written")


def _in(path: Path, refused: Refused) -> Refused:
    return type(refused)(f"{path}: {refused.format_message()}")


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


def _found(file: str, which: str, namespace: str | None) -> Text | Refused:
    """Return what is in a file, or why that cannot be said."""
    try:
        path, content = _read(file, which)
    except Refused as refused:
        return refused
    try:
        text = content.decode()
        return Text(path, text, tokens.find(text, namespace))
    except UnicodeDecodeError:
        return Refused(f"{path}: not UTF-8")
    except Refused as refused:
        return _in(path, refused)


def _work(text: Text, answers: Sequence[Answer]) -> Work:
    changes = [
        (value, answer.tokens[value.place.field])
        for resource, answer in zip(text.resources, answers, strict=True)
        for value in resource.values
    ]
    new = [token for value, token in changes if value.token != token]
    return Work(text.path, tokens.replaced(text.text, changes).encode(), new)


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
