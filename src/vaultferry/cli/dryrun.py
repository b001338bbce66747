"""How `vaultferry reseal` asks the webhook: by dry-runs, with its user's rights.

It loads the client, so it is itself loaded only where there is no root key.
"""

import asyncio
from collections.abc import Sequence

from vaultferry.cli import manifest
from vaultferry.cli.connection import connected
from vaultferry.cli.refusal import Refused
from vaultferry.cli.remote import Unanswered, Where, understood
from vaultferry.cli.resealers import Answer, Resealer, called
from vaultferry.cli.tokens import Resource
from vaultferry.cluster import Cluster
from vaultferry.core.answers import Body
from vaultferry.core.errors import ApiRejected, Failure
from vaultferry.core.model import is_name
from vaultferry.core.resealing import ANNOTATION, Wish
from vaultferry.core.sealing import Token

MANAGER = "vaultferry-reseal"
"""The field manager of the dry-runs; it never owns anything."""


def by_webhook(kubeconfig: str | None, context: str | None, wish: Wish) -> Resealer:
    """Have the webhook seal, with the rights of the user at the API server."""
    return lambda resources: asyncio.run(_asked(kubeconfig, context, wish, resources))


async def _asked(
    kubeconfig: str | None,
    context: str | None,
    wish: Wish,
    resources: Sequence[Resource],
) -> list[Answer]:
    try:
        async with connected(kubeconfig, context) as cluster:
            return [await _answer(cluster, wish, each) for each in resources]
    except Refused as refused:
        why = refused.format_message()
    raise Refused(f"no root key here, and nobody to ask: {why}")


async def _answer(cluster: Cluster, wish: Wish, resource: Resource) -> Answer:
    try:
        return Answer(await _tokens(cluster, wish, resource))
    except Refused as refused:
        # The webhook has named the VaultSecret by its name alone.
        words = refused.format_message().removeprefix(f"VaultSecret {resource.name}: ")
        return Answer({}, [type(refused)(f"{called(resource)}: {words}")])


async def _tokens(cluster: Cluster, wish: Wish, resource: Resource) -> dict[str, str]:
    place = resource.namespace, resource.name
    if not all(map(is_name, place)):
        raise Refused("no legal name of a VaultSecret")
    asked = manifest.body(*_said(resource), resource.tokens)
    asked["metadata"]["annotations"] = {ANNOTATION: str(wish)}
    where = Where(resource.namespace, None, None)
    absent = f"there is no namespace {resource.namespace}, or no Vaultferry"
    with understood("create or patch", where, absent=absent, stale=absent):
        try:
            body = await cluster.try_vaultsecret(*place, MANAGER, asked)
        except ApiRejected:
            raise Unanswered(
                "the API server refuses it: `kubectl apply --dry-run=server` says why"
            ) from None
    return _read(resource, body)


def _read(resource: Resource, body: Body) -> dict[str, str]:
    if ANNOTATION in (body["metadata"].get("annotations") or {}):
        raise Unanswered(
            "no webhook has answered: see that it runs and that its configuration is "
            "that of this version, or give the root key in ENCRYPTION_KEY_FILE"
        )
    sealed = body["spec"]["sealed"]
    try:
        return {
            field: str(Token.parse(sealed[field], field)) for field in resource.tokens
        }
    except (KeyError, Failure):
        raise Unanswered("something on the way changes sealed values") from None


def _said(resource: Resource) -> tuple[tuple[str, str], str, str | None]:
    place = resource.namespace, resource.name
    return place, resource.type_name, resource.method
