"""How an attempt to reconcile can end: the rows of the table of conditions."""

from collections.abc import Hashable
from dataclasses import dataclass

from vaultferry.core.errors import Conflict, Failure
from vaultferry.core.secret import Seen
from vaultferry.core.vaultsecret import VaultSecret


@dataclass(frozen=True)
class Realised:
    """The Secret realises the generation."""

    external: bool = False
    """Whether the values come from outside the resource, so that they can age."""


@dataclass(frozen=True)
class Progressing:
    """First sync or a changed spec, still under way after 10 s."""


@dataclass(frozen=True)
class Failed:
    """The generation is not said to be realised, and this attempt failed."""

    failure: Failure
    external: bool = False


@dataclass(frozen=True)
class RefreshFailed:
    """The Secret is right, but newer values could not be had."""

    failure: Failure


@dataclass(frozen=True)
class RepairFailed:
    """The Secret is gone or changed, and could not be repaired."""

    failure: Failure
    source_failed: bool = False
    """Whether the values could not be had, rather than not be written."""


@dataclass(frozen=True)
class TakenOver:
    """The Secret that was ours belongs to somebody else now."""

    failure: Failure


@dataclass(frozen=True)
class Contended:
    """Somebody keeps undoing what we write."""


@dataclass(frozen=True)
class Suspended:
    """`spec.suspend` is set, and the spec is not the one that was realised."""


@dataclass(frozen=True)
class Unchanged:
    """The generation moved, but nothing that the Secret realises."""


Outcome = (
    Realised
    | Progressing
    | Failed
    | RefreshFailed
    | RepairFailed
    | TakenOver
    | Contended
    | Suspended
    | Unchanged
)


def of_failure(
    resource: VaultSecret,
    failure: Failure,
    seen: Seen | None,
    right: Hashable = None,
) -> Outcome:
    """Return the row that a failed attempt belongs to.

    Args:
        resource: the resource as it was attempted.
        failure: why the attempt ended.
        seen: the Secret as last seen; None if absent or unknown.
        right: the `Seen.identity` that was read and found right, if any.
    """
    status, synced = resource.status, resource.status.synced_secret
    external = resource.is_external
    # Not whether it is Ready: the next attempt that fails is to say the same.
    if status.realised_spec != resource.spec_digest:
        return Failed(failure, external=external)
    if synced is None or seen is None or seen.uid != synced.uid:
        return RepairFailed(failure, failure.of_source)
    if isinstance(failure, Conflict):
        return TakenOver(failure)
    if seen.resource_version == synced.resource_version or seen.identity == right:
        return RefreshFailed(failure) if status.ready else Failed(failure, external)
    return RepairFailed(failure, failure.of_source)
