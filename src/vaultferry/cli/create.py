"""`vaultferry create` and `vaultferry update`: seal here, and write to the cluster."""

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import click

from vaultferry.cli import manifest, output, remote, settings, waiting
from vaultferry.cli.refusal import Named, Refused
from vaultferry.cli.remote import MANAGER, NAME, OPTIONS, Where, understood
from vaultferry.cli.seal import Request, seal, sealed
from vaultferry.core.answers import Body

Operation = dict[str, Any]

_NOT_HERE = {"name", "namespace", "raw", "from_cluster"}
_NOT_IN_UPDATE = {*_NOT_HERE, "type_name", "method"}


def _params(without: set[str]) -> list[click.Parameter]:
    """Return the options of `seal` that make sense, and those of the cluster."""
    ours = [NAME, *settings.OPTIONS, *OPTIONS, waiting.option(), output.parameter()]
    known = {param.name for param in ours} | without
    return [*(p for p in seal.params if p.name not in known), *ours]


@click.command(cls=Named, params=_params(_NOT_HERE))
def create(name: str, output_as: str, wait: int | None, **options: Any) -> None:
    """Seal values and create the VaultSecret NAME with them.

    Values come from a prompt, a file or stdin, never from an argument, and leave this
    machine sealed. A VaultSecret that exists is left as it is.
    """
    where = _where(options)
    request = _request(name, where, options)
    wanted = settings.read(request.type_name, options)
    body = manifest.body(
        (where.namespace, request.name),
        request.type_name,
        request.method,
        sealed(request),
        wanted,
    )
    with understood(
        "create",
        where,
        absent=f"there is no namespace {where.namespace}, or no Vaultferry",
        stale=f"VaultSecret {name} exists: `vaultferry update` overwrites it",
    ):
        where.ask(lambda c: c.create_vaultsecret(where.namespace, MANAGER, body))
    output.done("created", where.namespace, name, output_as)
    if wait:
        waiting.wait(where, name, wait)


@click.command(cls=Named, params=_params(_NOT_IN_UPDATE))
def update(name: str, output_as: str, wait: int | None, **options: Any) -> None:
    """Seal values and overwrite all those of the VaultSecret NAME.

    The values that were there are kept nowhere. With a setting and without a field,
    the values stay and no other is asked for.
    """
    where = _where(options)
    remote.checked_name(name)
    absent = f"VaultSecret {name} does not exist: `vaultferry create` makes it"
    with understood("get", where, absent=absent, stale=absent):
        before = where.ask(lambda c: c.get_vaultsecret(where.namespace, name))
    of_type = {
        "type_name": before["spec"]["type"],
        "method": before["spec"].get("authMethod"),
    }
    request = _request(name, where, options | of_type)
    wanted = settings.read(request.type_name, options)
    operations = [*_same(before), *_setting(before["spec"], wanted)]
    if not wanted or request.prompted or request.from_files:
        operations += _overwriting(before, sealed(request))
    stale = f"VaultSecret {name} was deleted and made anew meanwhile: try again"
    with understood("patch", where, absent=absent, stale=stale):
        where.ask(
            lambda c: c.patch_vaultsecret(where.namespace, name, MANAGER, operations)
        )
    output.done("updated", where.namespace, name, output_as)
    if wait:
        waiting.wait(where, name, wait)


def _where(options: dict[str, Any]) -> Where:
    return Where.of(options["namespace"], options["kubeconfig"], options["context"])


def _request(name: str, where: Where, options: dict[str, Any]) -> Request:
    wanted: dict[str, Any] = {
        field.name: options.get(field.name) for field in fields(Request)
    }
    wanted |= {"name": remote.checked_name(name), "namespace": where.namespace}
    wanted["from_cluster"] = wanted["key_file"] is None
    if wanted["key_file"] is not None:
        # These then say where to write, not whom to ask for a key.
        wanted |= {"kubeconfig": None, "context": None}
    return replace(Request(**wanted), raw=False)


def _same(before: Body) -> list[Operation]:
    """Return what keeps a patch from ever meeting another resource of that name."""
    uid = before["metadata"]["uid"]
    return [{"op": "replace", "path": "/metadata/uid", "value": uid}]


def _overwriting(before: Body, tokens: dict[str, str]) -> list[Operation]:
    """Return the patch that puts tokens in place of all that were there."""
    if "sealed" not in before["spec"]:
        raise Refused("its values come from elsewhere: change them there")
    return [{"op": "replace", "path": "/spec/sealed", "value": tokens}]


def _setting(spec: Body, wanted: Body, path: str = "/spec") -> Iterator[Operation]:
    """Yield the patch that puts settings into a spec, and leaves those beside them."""
    for name, value in wanted.items():
        there = spec.get(name)
        if isinstance(value, dict) and isinstance(there, dict):
            yield from _setting(there, value, f"{path}/{name}")
        else:
            yield {"op": "add", "path": f"{path}/{name}", "value": value}
