"""What must hold of every life, told from its history."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.faults.history import Version
from tests.faults.lives import Life
from tests.faults.stage import BYSTANDER, FOREIGN, Stage, data, is_ready
from vaultferry.core.merge import PREFIX

# What differs from one run to the next without being wrong.
_MASKED = {
    "createdAt",
    "creationTimestamp",
    "fingerprint",
    "lastTransitionTime",
    "managedFields",
    "realisedSpec",
    "resourceVersion",
    "sealed",
    "uid",
    "updatedAt",
    "vaultferry.dev/fingerprint",
}


@dataclass(frozen=True, repr=False)
class Story:
    """All that was seen of one life; without a `repr`, because it holds values."""

    namespace: str
    secret: list[Version]
    resource: list[Version]
    others: dict[str, list[Version]]

    @classmethod
    def of(cls, stage: Stage) -> "Story":
        """Take what has been seen up to now."""
        others = {name: stage.secret(name) for name in (BYSTANDER, FOREIGN)}
        return cls(stage.namespace, stage.secret(), stage.vaultsecret(), others)

    @property
    def writes(self) -> int:
        """How many versions of the Secret and of the VaultSecret there were."""
        return len(self.secret) + len(self.resource)


def violations(life: Life, story: Story, reference: Story) -> Iterator[str]:
    """Yield what is wrong, without a value.

    Args:
        life: what was done.
        story: what was seen.
        reference: what was seen where nothing went wrong.
    """
    held = [data(version) for version in story.secret if version.kind != "DELETED"]
    if any(each not in life.generations for each in held):
        yield "a Secret was partial or mixed"
    if any(len(versions) != 1 for versions in story.others.values()):
        yield "a Secret of somebody else was touched"
    yield from _early(life, story)
    yield from _rewritten(story, reference)
    yield from _ended(story.secret, reference.secret, story, reference)
    yield from _ended(story.resource, reference.resource, story, reference)


def _early(life: Life, story: Story) -> Iterator[str]:
    """Find where Ready came before the Secret."""
    for resource in filter(is_ready, story.resource):
        generation = resource.body["metadata"]["generation"]
        values = life.realised(generation)
        stored = [v for v in story.secret if v.revision < resource.revision]
        if not any(data(v) == values for v in stored):
            yield f"Ready for generation {generation} before its Secret"


def _rewritten(story: Story, reference: Story) -> Iterator[str]:
    """Find writes of the Secret that ought not to be, and such of the status."""
    kinds, wanted = _kinds(story.secret), _kinds(reference.secret)
    if kinds != wanted:
        yield f"Secret: {kinds} instead of {wanted}"
    elif [*map(data, story.secret)] != [*map(data, reference.secret)]:
        yield "the data of the Secret changed in another way"
    # One less is right: a Secret that was repaired before the crash needs no word.
    if len(story.resource) > len(reference.resource):
        yield f"{len(story.resource)} versions instead of {len(reference.resource)}"


def _kinds(versions: list[Version]) -> list[str]:
    return [version.kind for version in versions]


def _ended(
    versions: list[Version], expected: list[Version], story: Story, reference: Story
) -> Iterator[str]:
    end = versions[-1].kind, masked(versions[-1], story.namespace)
    other = expected[-1].kind, masked(expected[-1], reference.namespace)
    if end != other:
        yield f"another end: {_where(end, other)}"


def _where(one: Any, other: Any) -> str:
    """Return the paths at which two bodies differ, without what stands there."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = sorted(k for k in {*one, *other} if one.get(k) != other.get(k))
        return ", ".join(f"{k}.{_where(one.get(k), other.get(k))}" for k in keys)
    if isinstance(one, tuple):
        return _where(one[1], other[1]) if one[0] == other[0] else "kind"
    return ""


def masked(version: Version, namespace: str) -> Any:
    """Return an object without what differs from run to run."""
    text = json.dumps(version.body).replace(namespace, "namespace")
    return _without(json.loads(text))


def _without(part: Any) -> Any:
    if isinstance(part, dict):
        kept = {k: v for k, v in part.items() if k not in _MASKED}
        # The name of a record is a hash of the namespace, and it holds a fingerprint.
        records = {k for k in kept if k.startswith(PREFIX)}
        rest = {k: _without(v) for k, v in kept.items() if k not in records}
        return rest | {PREFIX: len(records)} if records else rest
    return [_without(each) for each in part] if isinstance(part, list) else part
