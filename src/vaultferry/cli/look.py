"""`vaultferry list`, `status` and `delete`."""

import json
from collections.abc import Mapping
from typing import Any

import click

from vaultferry.cli import output
from vaultferry.cli.refusal import Named, OptionsOnly
from vaultferry.cli.remote import NAME, OPTIONS, Where, checked_name, understood
from vaultferry.cli.waiting import is_ready
from vaultferry.cluster import Cluster
from vaultferry.core.vaultsecret import Status

_NOT_READY = 1


@click.command(
    "list",
    cls=OptionsOnly,
    params=[
        click.Option(["--all-namespaces", "-A"], is_flag=True, help="Of all."),
        *OPTIONS,
        output.parameter(),
    ],
)
def list_names(output_as: str, *, all_namespaces: bool, **options: Any) -> None:
    """List the names of the VaultSecrets, and how many there are."""
    where = Where.of(**options)
    absent = "there is no Vaultferry in the cluster"
    with understood("list", where, absent=absent, stale=absent):
        names = where.ask(
            lambda c: _names(c, None if all_namespaces else where.namespace)
        )
    if output_as == "json":
        click.echo(json.dumps({"names": names, "total": len(names)}, indent=2))
        return
    for name in names:
        click.echo(name)
    output.say(f"{len(names)} VaultSecrets", good=True)


async def _names(cluster: Cluster, namespace: str | None) -> list[str]:
    found = [
        item["metadata"]
        async for page, _ in cluster.list_vaultsecrets(namespace)
        for item in page
    ]
    if namespace is None:
        return sorted(f"{each['namespace']}/{each['name']}" for each in found)
    return sorted(each["name"] for each in found)


@click.command(cls=Named, params=[NAME, *OPTIONS, output.parameter()])
def status(name: str, output_as: str, **options: Any) -> None:
    """Show how it is with the VaultSecret NAME; values are shown nowhere.

    Exits with 1 where it is not Ready.
    """
    where = Where.of(**options)
    absent = f"VaultSecret {checked_name(name)} does not exist"
    with understood("get", where, absent=absent, stale=absent):
        body = where.ask(lambda c: c.get_vaultsecret(where.namespace, name))
    told = Status.model_validate(body.get("status") or {})
    ready = is_ready(body)
    if output_as == "json":
        identity = {"namespace": where.namespace, "name": name, "ready": ready}
        click.echo(json.dumps({**identity, "status": told.dumped()}, indent=2))
    else:
        rows = _rows(body["spec"], told)
        output.facts({"Namespace": where.namespace, "Name": name} | rows)
        output.say("Ready" if ready else "not Ready", good=ready)
    if not ready:
        raise SystemExit(_NOT_READY)


def _rows(spec: Mapping[str, Any], told: Status) -> dict[str, str]:
    """Return what a person wants to know, by its name; empty where nobody knows."""
    conditions = {
        c.type: f"{c.status}, {c.reason}: {c.message}" for c in told.conditions
    }
    synced = told.synced_secret
    return {
        "Type": str(spec.get("type", "")),
        "Method": str(spec.get("authMethod", "")),
        **conditions,
        "Secret": synced.name if synced else "",
        "Version": str(told.version or ""),
        "Updated": told.updated_at or "",
        "Expires": told.expires_at or "",
        "Fields": ", ".join(told.fields),
        "Key": told.key_id or "",
    }


@click.command(cls=Named, params=[NAME, *OPTIONS, output.parameter()])
def delete(name: str, output_as: str, **options: Any) -> None:
    """Delete the VaultSecret NAME at once and for good, without asking.

    Its Secret goes with it, unless spec.target.creationPolicy says otherwise.
    """
    where = Where.of(**options)
    absent = f"VaultSecret {checked_name(name)} does not exist"
    with understood("delete", where, absent=absent, stale=absent):
        where.ask(lambda c: c.delete_vaultsecret(where.namespace, name))
    output.done("deleted", where.namespace, name, output_as)
