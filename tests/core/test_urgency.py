import json
from typing import Any

import pytest

from tests.builders import (
    Body,
    edited,
    realised_status,
    vault_secret,
    vault_secret_body,
)
from tests.cputime import ratio
from vaultferry.core.urgency import Lane, lane
from vaultferry.core.vaultsecret import FORCE_SYNC

URGENT, ROUTINE, LAST = Lane


def synced(handled: str | None = None, **metadata: Any) -> Body:
    """Return a resource whose generation was observed."""
    status = realised_status(vault_secret())
    if handled is not None:
        status["lastHandledSync"] = handled
    return edited(vault_secret_body(), **metadata) | {"status": status}


def asked(value: str) -> Body:
    return {FORCE_SYNC: value}


def without_status(body: Body, *status: None) -> Body:
    """Return the resource without a status, or with null in its place."""
    rest = {key: value for key, value in body.items() if key != "status"}
    return rest | dict.fromkeys(["status"][: len(status)])


NEVER = vault_secret_body()

CHANGES = {
    "never synced": (NEVER, URGENT),
    "never synced, without a status": (without_status(NEVER), URGENT),
    "never synced, status null": (without_status(NEVER, None), URGENT),
    "never synced, and a sync asked for": (
        edited(NEVER, annotations=asked("1")),
        URGENT,
    ),
    "spec changed": (synced(generation=2), URGENT),
    "spec changed, and a sync asked for": (
        synced(generation=2, annotations=asked("1")),
        URGENT,
    ),
    "a first sync asked for": (synced(annotations=asked("1")), ROUTINE),
    "a sync asked for": (synced("1", annotations=asked("2")), ROUTINE),
    "a sync handled": (synced("1", annotations=asked("1")), ROUTINE),
    "another annotation": (synced(annotations={"a": "b"}), ROUTINE),
    "annotations null": (synced(annotations=None), ROUTINE),
    "as it was": (synced(), ROUTINE),
}


@pytest.mark.parametrize(("body", "expected"), CHANGES.values(), ids=CHANGES)
def test_the_lane_of_a_change(body: Body, expected: Lane) -> None:
    assert lane(body, listed=False) is expected


FOUND = {
    "never synced": (NEVER, URGENT),
    "spec changed": (synced(generation=2), URGENT),
    "a sync asked for": (synced("1", annotations=asked("2")), ROUTINE),
    "a sync handled": (synced("1", annotations=asked("1")), LAST),
    "as it was": (synced(), LAST),
}


@pytest.mark.parametrize(("body", "expected"), FOUND.values(), ids=FOUND)
def test_the_lane_of_what_a_listing_finds(body: Body, expected: Lane) -> None:
    assert lane(body, listed=True) is expected


def test_it_takes_next_to_no_time() -> None:
    body = synced(annotations=asked("1"))
    text = json.dumps(body)

    # Each body was read before.
    assert ratio(lambda: lane(body, listed=True), lambda: json.loads(text)) < 1


def test_lanes_are_in_the_order_of_their_urgency() -> None:
    assert sorted(Lane) == [URGENT, ROUTINE, LAST]
