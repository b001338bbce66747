"""`vaultferry seal`: values in, a manifest for Git out; no root key needed."""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from vaultferry import secrettypes
from vaultferry.cli import manifest
from vaultferry.cli.refusal import OptionsOnly, Refused
from vaultferry.cli.values import Sources
from vaultferry.core import expiry
from vaultferry.core.sealing import Place, PublicKey, Scope
from vaultferry.core.secrettype import Fields, SecretType
from vaultferry.core.suites import WITH_PUBLIC_KEY, Suite
from vaultferry.core.vaultsecret import MAX_SEALED
from vaultferry.operator.settings import DEFAULT_NAMESPACE

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAMESPACE = re.compile(rf"(?=.{{1,63}}\Z){_LABEL}")
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*")
_CLIENT_SIDE_LIMIT = 180 * 1024


@dataclass(frozen=True)
class Request:
    """What the options ask for."""

    key_file: Path | None
    from_cluster: bool
    kubeconfig: str | None
    context: str | None
    operator_namespace: str | None
    suite: str | None
    namespace: str
    name: str
    scope: str
    type_name: str
    method: str | None
    prompted: tuple[str, ...]
    from_files: tuple[str, ...]
    trim_newline: bool
    raw: bool


@click.command(cls=OptionsOnly)
@click.option(
    "--public-key",
    "key_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the operator's public key, from `vaultferry public-key`.",
)
@click.option(
    "--cluster",
    "from_cluster",
    is_flag=True,
    help="Ask the cluster for the public key instead.",
)
@click.option(
    "--kubeconfig", help="With --cluster: the kubeconfig; default: kubectl's."
)
@click.option("--context", help="With --cluster: a context of the kubeconfig.")
@click.option(
    "--operator-namespace",
    help=f"With --cluster: where the operator is; default: {DEFAULT_NAMESPACE}.",
)
@click.option(
    "--suite",
    type=click.Choice([str(suite) for suite in WITH_PUBLIC_KEY]),
    help=f"With --cluster: the way to encrypt; default: {Suite.HPKE_X25519}.",
)
@click.option("--namespace", "-n", required=True, help="Namespace of the VaultSecret.")
@click.option("--name", required=True, help="Name of the VaultSecret.")
@click.option(
    "--scope",
    type=click.Choice([scope.value for scope in Scope]),
    default=Scope.STRICT.value,
    show_default=True,
    help="What a value is bound to: namespace, name and field; the namespace; nothing.",
)
@click.option(
    "--type", "type_name", default="opaque", show_default=True, help="spec.type."
)
@click.option("--auth-method", "method", help="spec.authMethod; default: the first.")
@click.option(
    "--field",
    "prompted",
    multiple=True,
    metavar="NAME",
    help="A field whose value is asked for, hidden and twice.",
)
@click.option(
    "--field-file",
    "from_files",
    multiple=True,
    metavar="NAME=PATH",
    help="A field and the file with its value, byte for byte; - is stdin.",
)
@click.option("--trim-newline", is_flag=True, help="Strip the newline of a lone line.")
@click.option("--raw", is_flag=True, help="Print one token instead of a manifest.")
def seal(**options: Any) -> None:
    """Seal values so that only the operator opens them, and only where they belong.

    Values come from a prompt, a file or stdin, never from an argument. Without any
    field, the required ones of the type are asked for. Prints a VaultSecret.
    """
    request = Request(**options)
    click.echo(_write(request, sealed(request)), nl=request.raw)


def sealed(request: Request) -> dict[str, str]:
    """Take in the values, check them, and return them sealed, by field."""
    place = _read_place(request)
    public_key = _find_public_key(request)
    sources = _read_sources(request)
    values = sources.read(trim_newline=request.trim_newline)
    _check_values(request, values)
    scope = Scope(request.scope)
    tokens = {
        field: public_key.seal(value, scope, Place(*place, field))
        for field, value in values.items()
    }
    if (size := sum(map(len, tokens.values()))) > MAX_SEALED and not request.raw:
        raise Refused(f"{size} characters of tokens, at most {MAX_SEALED} in one map")
    return tokens


def _read_place(request: Request) -> tuple[str, str]:
    if _NAMESPACE.fullmatch(request.namespace) is None:
        raise Refused("--namespace: no legal name of a namespace")
    if _NAME.fullmatch(request.name) is None:
        raise Refused("--name: no legal name of a VaultSecret")
    return request.namespace, request.name


def _find_public_key(request: Request) -> PublicKey:
    if request.from_cluster == (request.key_file is not None):
        raise Refused("give either --public-key FILE or --cluster")
    if request.key_file is None:
        return _ask_cluster(request)
    about = (request.kubeconfig, request.context, request.operator_namespace)
    if any((*about, request.suite)):
        raise Refused(
            "--kubeconfig, --context, --operator-namespace and --suite go with "
            "--cluster"
        )
    return _read_public_key(request.key_file)


def _ask_cluster(request: Request) -> PublicKey:
    # Imported here, because the client takes longer to load than all the rest.
    connection = import_module("vaultferry.cli.connection")
    key: PublicKey = connection.read_public_key(
        request.kubeconfig,
        request.context,
        request.operator_namespace or DEFAULT_NAMESPACE,
        Suite(request.suite or Suite.HPKE_X25519),
    )
    return key


def _read_public_key(path: Path) -> PublicKey:
    try:
        return PublicKey.parse(path.read_text(encoding="ascii").strip())
    except OSError as error:
        why = error.strerror
    except ValueError:
        why = "not text"
    raise Refused(f"--public-key: the file cannot be read: {why}")


def _read_sources(request: Request) -> Sources:
    kind = _read_type(request)
    fields = kind.fields(request.method) or Fields(required=())
    nothing_said = not request.prompted and not request.from_files
    prompted = fields.required if nothing_said else request.prompted
    sources = Sources.parse(prompted, request.from_files)
    if request.raw and len(sources.fields) != 1:
        raise Refused(f"--raw prints one token; {len(sources.fields)} fields given")
    elsewhere = fields.required if request.raw else ()
    kind.check_names(request.method, [*sources.fields, *elsewhere])
    return sources


def _read_type(request: Request) -> SecretType:
    if request.type_name not in secrettypes.names():
        known = ", ".join(secrettypes.names())
        raise Refused(f"--type: no such type; known: {known}")
    kind = secrettypes.load(request.type_name)
    if request.method is not None and request.method not in kind.methods:
        known = ", ".join(kind.methods) or "none"
        raise Refused(f"--auth-method: type {kind.name} takes {known}")
    return kind


def _check_values(request: Request, values: Mapping[str, bytes]) -> None:
    kind = secrettypes.load(request.type_name)
    fields = kind.fields(request.method)
    # --raw may be one field of several, and the operator will see them together.
    if not fields or not set(fields.required) <= set(values):
        return
    kind.check(request.method, values)
    kind.check_end(request.method, values, time.time())
    for remark in (*kind.remarks(request.method, values), *_soon(request, values)):
        click.echo(f"Warning: {remark}", err=True)


def _soon(request: Request, values: Mapping[str, bytes]) -> Iterator[str]:
    """Remark on a credential that expires within a week, or expired."""
    end = secrettypes.load(request.type_name).end(request.method, values)
    if end is not None and end < time.time() + expiry.LEAD_SECONDS:
        yield f"the credential expires at {expiry.text(end)}"


def _write(request: Request, tokens: Mapping[str, str]) -> str:
    if request.raw:
        return next(iter(tokens.values()))
    place = (request.namespace, request.name)
    text = manifest.write(place, request.type_name, request.method, tokens)
    if len(text) > _CLIENT_SIDE_LIMIT:
        click.echo(
            f"Note: {len(text)} characters are too many for an annotation: "
            "use `kubectl apply --server-side`",
            err=True,
        )
    return text
