"""Calls the vendors' Python clients, one request a line; run by `judges`.

It runs with the packages of requirements/judges.lock, and knows nothing of ours.
"""

import json
import sys
import warnings
from collections.abc import Callable
from datetime import datetime
from typing import Any

from dopplersdk import DopplerSDK
from infisical_sdk import InfisicalSDKClient
from onepasswordconnectsdk import load_dict
from onepasswordconnectsdk.client import new_client

Said = Any


def doppler(url: str, token: str, service: str, call: str, /, **given: str) -> Said:
    """Return what a call of doppler-sdk gives."""
    client = DopplerSDK(token)
    client.set_base_url(url)
    return plain(getattr(getattr(client, service), call)(**given))


def connect(url: str, token: str, call: str, /, *given: str) -> Said:
    """Return what a call of onepasswordconnectsdk gives."""
    return plain(getattr(new_client(url, token), call)(*given))


def connect_load(url: str, token: str, config: dict[str, Any]) -> Said:
    """Return the fields that onepasswordconnectsdk finds for a configuration."""
    return load_dict(new_client(url, token), config)


def infisical_login(url: str, client_id: str, client_secret: str) -> Said:
    """Return what infisicalsdk gets for a login."""
    client = InfisicalSDKClient(url, cache_ttl=None)
    return plain(client.auth.universal_auth.login(client_id, client_secret))


def infisical(url: str, token: str, call: str, /, **given: str) -> Said:
    """Return what a call of infisicalsdk gives."""
    client = InfisicalSDKClient(url, token, cache_ttl=None)
    return plain(getattr(client.secrets, call)(**given))


def plain(found: object) -> Said:
    """Return what JSON can say of an answer's objects."""
    return json.loads(json.dumps(found, default=_inner))


def _inner(found: object) -> Said:
    if isinstance(found, bytes):
        return found.decode()
    if isinstance(found, datetime):
        return found.isoformat()
    return found.to_dict() if hasattr(found, "to_dict") else vars(found)


FUNCTIONS: dict[str, Callable[..., Said]] = {
    "connect": connect,
    "connect_load": connect_load,
    "doppler": doppler,
    "infisical": infisical,
    "infisical_login": infisical_login,
}


def main() -> None:
    """Answer requests until there are no more."""
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        name, arguments, given = json.loads(line)
        try:
            said = {"ok": FUNCTIONS[name](*arguments, **given)}
        except Exception as error:  # noqa: BLE001 - that is what the test wants to know
            said = {"error": type(error).__name__, "text": str(error)}
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
