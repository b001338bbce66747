"""`vaultferry explain`: the types of credentials, from their own definitions."""

import json
from typing import Any

import click

from vaultferry import secrettypes
from vaultferry.cli import output
from vaultferry.cli.refusal import Named, Refused
from vaultferry.core.secrettype import Fields, SecretType


def _complete(
    _context: click.Context, _param: click.Parameter, incomplete: str
) -> list[str]:
    return [name for name in secrettypes.names() if name.startswith(incomplete)]


@click.command(cls=Named, params=[output.parameter()])
@click.argument("name", metavar="[TYPE]", required=False, shell_complete=_complete)
def explain(name: str | None, output_as: str) -> None:
    """Say what a type of credentials is and takes; without TYPE, list them all."""
    if name is None:
        kinds = [secrettypes.load(each) for each in secrettypes.names()]
    elif name in secrettypes.names():
        kinds = [secrettypes.load(name)]
    else:
        raise Refused(f"no such type; known: {', '.join(secrettypes.names())}")
    if output_as == "json":
        told = [_told(kind) for kind in kinds]
        click.echo(json.dumps(told if name is None else told[0], indent=2))
    elif name is None:
        output.table(("TYPE", "WHAT IT IS"), [(k.name, k.summary) for k in kinds])
    else:
        _print(kinds[0])


def _told(kind: SecretType) -> dict[str, Any]:
    return {
        "type": kind.name,
        "summary": kind.summary,
        "secretType": kind.kubernetes_type,
        "authMethods": {
            method: {
                "required": list(fields.required),
                "optional": list(fields.optional),
                "saysItsEnd": fields.end is not None,
            }
            for method, fields in kind.methods.items()
        },
    }


def _print(kind: SecretType) -> None:
    output.facts(
        {"Type": kind.name, "Is": kind.summary, "Secret of type": kind.kubernetes_type}
    )
    for place, (method, fields) in enumerate(kind.methods.items()):
        click.echo()
        default = " (the default)" if place == 0 else ""
        output.facts({"Method": f"{method}{default}"} | _facts(fields))
    click.echo()
    if not kind.methods:
        click.echo("It takes any fields that are legal keys of a Secret.")
    click.echo(f"  vaultferry create NAME {_options(kind)}")


def _facts(fields: Fields) -> dict[str, str]:
    end = "read from the value" if fields.end else ""
    return {
        "Required": ", ".join(fields.required),
        "Optional": ", ".join(fields.optional),
        "Expiry": end,
    }


def _options(kind: SecretType) -> str:
    fields = next(iter(kind.methods.values())).required if kind.methods else ("FIELD",)
    return " ".join([f"--type {kind.name}", *(f"--field {name}" for name in fields)])
