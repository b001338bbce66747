"""Gathers what a decision needs: all reading of one reconciliation is here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vaultferry import formats, secrettypes
from vaultferry.cluster import Cluster
from vaultferry.core import (
    desired,
    due,
    expiry,
    kubernetestype,
    merge,
    plan,
    requests,
)
from vaultferry.core.answers import Absent, Stale
from vaultferry.core.errors import Conflict, InvalidSpec
from vaultferry.core.keyring import Keyring
from vaultferry.core.opened import Opened
from vaultferry.core.sealing import Place, key_ids
from vaultferry.core.secret import Content, Current, Seen
from vaultferry.core.secrettype import SecretType
from vaultferry.core.source import Source
from vaultferry.core.vaultsecret import Spec, SyncedFrom, VaultSecret
from vaultferry.formats import Rendering
from vaultferry.views import Key, Secrets


class Superseded(Exception):
    """The attempt is pointless: what it started from is gone or changing."""


@dataclass(frozen=True, repr=False)
class Material:
    """A credential, opened and laid out; without a `repr`, because it holds values."""

    spec: Spec
    values: Mapping[str, bytes]
    rendering: Rendering
    kubernetes_type: str
    key_id: str | None
    expires_at: str | None
    provider: str
    """Where the values come from, in a word."""

    origin: SyncedFrom | None
    """What they were read from, where that was not the resource itself."""


def material(
    keyring: Keyring,
    resource: VaultSecret,
    prefixes: Iterable[str],
    now: str,
    found: Source | None = None,
) -> Material:
    """Open and lay out the values of a resource.

    Args:
        keyring: opens them.
        resource: the resource.
        prefixes: those allowed in labels and annotations.
        now: the present time, RFC 3339.
        found: the source, where the values are not in the resource itself.

    Raises:
        NeedsPerson: the spec, a token or a value is not right.
    """
    spec = resource.spec
    desired.check_metadata(spec, prefixes)
    kind = secrettypes.load(spec.type)
    kind.check_location(spec.location)
    values = found.values if found else opened(keyring, resource, spec)
    kind.check(spec.auth_method, values)
    expires_at = _checked_end(kind, resource, values, now)
    rendering = formats.render(spec.target, Opened(kind, values, spec.location))
    desired.check_data(rendering.data)
    if not merge.is_merging(resource):
        kubernetestype.check(spec.target.type or kind.kubernetes_type, rendering.data)
    return Material(
        spec,
        values,
        rendering,
        kind.kubernetes_type,
        key_id=None if found else keyring.oldest(key_ids(spec.sealed)),
        expires_at=expires_at,
        provider=found.provider if found else "sealed",
        origin=found.viewed.origin if found else None,
    )


async def current(
    cluster: Cluster,
    secrets: Secrets,
    resource: VaultSecret,
    material: Material,
    *,
    unchanged: bool | None,
) -> Current | None:
    """Return the Secret of a resource, read only where the watch does not suffice.

    Args:
        cluster: the API server.
        secrets: what the watch has told.
        resource: the resource.
        material: its values.
        unchanged: whether these are the values that the status speaks of; None, if
            nobody can tell: then the Secret is read.

    Raises:
        Conflict: the Secret belongs to somebody else.
        Superseded: the Secret is being deleted.
    """
    key = target(resource)
    seen = secrets.get(key)
    if seen is None:
        return None
    check_stays(seen)
    plan.check_owner(seen, resource.owner)
    if unchanged is None or not due.is_synced(resource, seen):
        return await read(cluster, secrets, key)
    if not unchanged or resource.status.realised_spec != resource.spec_digest:
        # All of it will be written, whatever it holds.
        return Current(seen)
    if requests.pending(resource) or _is_laid_out_anew(resource, material):
        return await read(cluster, secrets, key)
    # It is what was written, and that is what would be.
    return Current(seen, _written(resource, material))


def _is_laid_out_anew(resource: VaultSecret, material: Material) -> bool:
    synced = resource.status.synced_secret
    return synced is None or synced.layout != material.rendering.layout


def _written(resource: VaultSecret, material: Material) -> Content:
    synced = resource.status.synced_secret
    kubernetes_type = synced.type if synced else material.kubernetes_type
    return Content(kubernetes_type, material.rendering.data, immutable=False)


async def read(cluster: Cluster, secrets: Secrets, key: Key) -> Current | None:
    """Return a Secret with its content, read from the API server now.

    Raises:
        Superseded: the Secret is being deleted, or was meanwhile.
    """
    try:
        body = await cluster.get_secret(*key)
    except Absent:
        return None
    secrets.put(body)
    if secrets.get(key) is None:
        # The watch has told of its end while this answer was on its way, and wakes us.
        raise Superseded
    seen = Seen.parse(body)
    check_stays(seen)
    return Current(seen, Content.parse(body))


async def check_wanted(cluster: Cluster, resource: VaultSecret) -> None:
    """Check that a resource still wants the Secret that is about to be its own again.

    When namespaces or owners are deleted, the Secret often goes first, or with
    --cascade=orphan its owner reference: put back, it would have the Secret collected.

    Raises:
        Superseded: the resource is gone, going, or not the one that was seen.
    """
    try:
        body = await cluster.get_vaultsecret(resource.namespace, resource.name)
    except Absent:
        raise Superseded from None
    now = VaultSecret.parse(body)
    same = (now.uid, now.generation) == (resource.uid, resource.generation)
    if now.deleting or not same:
        raise Superseded


async def check_rival(
    cluster: Cluster, secrets: Secrets, resource: VaultSecret, current: Current | None
) -> None:
    """Check that the Secret, where it is to be adopted, is not another VaultSecret's.

    Raises:
        Conflict: it is, or it does not consent.
        Stale: it was, or the watch is behind.
    """
    if current is None:
        return
    name = plan.rival(current.seen, resource.owner)
    if name is None:
        return
    # In the same words, whether the Secret was in view or is only found now.
    plan.check_owner(current.seen, resource.owner)
    other = await live(cluster, Key(resource.namespace, name))
    if not other or target(other) != target(resource) or merge.is_merging(other):
        return
    if rival(secrets, resource, current.seen) is None:
        # Only an end that the watch is still to tell of wakes us.
        raise Stale
    raise Conflict(
        f"Secret {current.seen.name} is made by VaultSecret {name}: delete that, "
        "or give spec.target another name in a new VaultSecret"
    )


def rival(secrets: Secrets, resource: VaultSecret, seen: Seen | None) -> Key | None:
    """Return the other VaultSecret that a Secret names, where that has its target."""
    name = plan.rival(seen, resource.owner) if seen else None
    if name is None:
        return None
    key = Key(resource.namespace, name)
    return key if key in secrets.users(target(resource)) else None


async def live(cluster: Cluster, key: Key) -> VaultSecret | None:
    """Return a VaultSecret as the API server has it now; None if there is none.

    Raises:
        Absent: the API server does not serve VaultSecrets, so nobody knows.
    """
    try:
        return VaultSecret.parse(await cluster.get_vaultsecret(*key))
    except Absent:
        await cluster.check_served()
        return None


def check_stays(seen: Seen) -> None:
    """Check that a Secret is not being deleted: it is left, and its end will wake us.

    Raises:
        Superseded: it is.
    """
    if seen.deleting:
        raise Superseded


def target(resource: VaultSecret) -> Key:
    """Return the key of the Secret that a resource becomes."""
    name = (resource.raw_spec.get("target") or {}).get("name")
    return Key(resource.namespace, name or resource.name)


def opened(keyring: Keyring, resource: VaultSecret, spec: Spec) -> dict[str, bytes]:
    """Return the values that are sealed in a resource.

    Raises:
        NeedsPerson: there are none, or one of them does not open.
    """
    if spec.sealed is None:
        raise InvalidSpec("spec has no source that this version knows")
    namespace, name = resource.namespace, resource.name
    return {
        field: keyring.open(token, Place(namespace, name, field))
        for field, token in spec.sealed.items()
    }


def _checked_end(
    kind: SecretType, resource: VaultSecret, values: Mapping[str, bytes], now: str
) -> str | None:
    """Return when the credential expires; refuse one that comes when it has.

    One that has been in its Secret before stays there, and is repaired: that time
    passes says nothing about the resource.
    """
    method, status = resource.spec.auth_method, resource.status
    end = kind.end(method, values)
    text = None if end is None else expiry.text(end)
    present = expiry.seconds(now)
    is_new = status.expires_at != text and status.realised_spec != resource.spec_digest
    if is_new and present is not None:
        kind.check_end(method, values, present)
    return text
