"""What is asked for by annotation."""

from typing import Any

import pytest

from tests.builders import edited, realised_status, vault_secret, vault_secret_body
from vaultferry.core.requests import REQUEST_ID, asked, is_sync_ignored, pending
from vaultferry.core.vaultsecret import FORCE_SYNC, VaultSecret

UUID = "0b5a7d3e-6a55-4c8e-9c53-3f1f8f5a2d10"

SYNCS = {
    "a word": ("now", True),
    "a time": ("2026-01-01T00:00:00+01:00", True),
    "the longest": ("x" * 64, True),
    "too long": ("x" * 65, False),
    "empty": ("", False),
    "with a space": ("not now", False),
    "with a newline": ("now\n", False),
    "with other letters": ("jetzt-für-alle", False),
    "with other digits": ("١٢٣", False),
}

IDS = {
    "a UUID": (UUID, True),
    "in capitals": (UUID.upper(), False),
    "without dashes": (UUID.replace("-", ""), False),
    "with more behind it": (f"{UUID}0", False),
    "a word": ("now", False),
    "empty": ("", False),
}


def asking(status: dict[str, Any] | None = None, **annotations: str) -> VaultSecret:
    """Return a resource with the annotations, `sync` and `request_id`, if given."""
    known = {"sync": FORCE_SYNC, "request_id": REQUEST_ID}
    metadata = {known[name]: value for name, value in annotations.items()}
    body = edited(vault_secret_body(), annotations=metadata)
    return VaultSecret.parse(body | {"status": status or {}})


@pytest.mark.parametrize(("value", "good"), SYNCS.values(), ids=SYNCS)
def test_a_forced_sync_is_either_taken_or_ignored(value: str, *, good: bool) -> None:
    resource = asking(sync=value)

    assert pending(resource).sync == (value if good else None)
    assert is_sync_ignored(resource) is not good


@pytest.mark.parametrize(("value", "good"), IDS.values(), ids=IDS)
def test_a_request_id_is_a_uuid_or_nothing(value: str, *, good: bool) -> None:
    assert pending(asking(request_id=value)).request_id == (value if good else None)


def test_without_annotations_nothing_is_asked_for() -> None:
    assert not pending(asking())
    assert not is_sync_ignored(asking())
    assert asked({}) == (None, None)


@pytest.mark.parametrize(
    ("annotation", "field"),
    [("sync", "lastHandledSync"), ("request_id", "lastHandledRequestId")],
)
def test_a_handled_request_is_no_request(annotation: str, field: str) -> None:
    status = realised_status(vault_secret()) | {field: UUID}

    assert not pending(asking(status, **{annotation: UUID}))
    assert pending(asking(status, **{annotation: UUID.replace("0", "1")}))
