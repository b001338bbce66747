"""What somebody asks for by annotation, and whether it was handled.

Handled means that one attempt ended, with any result; then the value is echoed in the
status. While the resource is suspended a request stays pending.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from vaultferry.core.model import GROUP
from vaultferry.core.vaultsecret import FORCE_SYNC, VaultSecret

REQUEST_ID = f"{GROUP}/client-request-id"

_SYNC = re.compile(r"[A-Za-z0-9:._+-]{1,64}")
_UUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")


@dataclass(frozen=True)
class Requests:
    """What is asked for and not handled yet; None where nothing is."""

    sync: str | None
    """A forced sync: look at the Secret now."""

    request_id: str | None
    """The id under which a client wants to find the result: a UUID."""

    def __bool__(self) -> bool:
        """Tell whether anything is asked for."""
        return self.sync is not None or self.request_id is not None


def pending(resource: VaultSecret) -> Requests:
    """Return what is asked for and not handled yet."""
    status, asked = resource.status, resource.annotations
    return Requests(
        _pending(asked.get(FORCE_SYNC), status.last_handled_sync, _SYNC),
        _pending(asked.get(REQUEST_ID), status.last_handled_request_id, _UUID),
    )


def asked(annotations: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Return the annotations that ask for something, as they are."""
    return annotations.get(FORCE_SYNC), annotations.get(REQUEST_ID)


def is_sync_ignored(resource: VaultSecret) -> bool:
    """Tell whether a forced sync is asked for in a form that is ignored."""
    value = resource.annotations.get(FORCE_SYNC)
    return value is not None and not _SYNC.fullmatch(value)


def _pending(
    value: str | None, handled: str | None, form: re.Pattern[str]
) -> str | None:
    if value is None or value == handled or not form.fullmatch(value):
        return None
    return value
