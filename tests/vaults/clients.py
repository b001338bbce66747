"""Calls the vendors' Python clients, one request a line; run by `judges`.

It runs with the packages of requirements/judges.lock, and knows nothing of ours.
"""

import json
import sys
import warnings
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
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


def ssm(url: str, region: str, call: str, /, **given: Any) -> Said:
    """Return what a call of boto3 gives."""
    return plain(getattr(_store(url, region), call)(**given))


def ssm_put(url: str, region: str, values: dict[str, str]) -> Said:
    """Put parameters by boto3, as secrets."""
    for name, value in values.items():
        more = {"Value": value, "Type": "SecureString", "Overwrite": True}
        ssm(url, region, "put_parameter", Name=name, **more)


@cache
def _store(url: str, region: str) -> Any:
    return boto3.client(
        "ssm",
        region_name=region,
        endpoint_url=url,
        aws_access_key_id="made-up",
        aws_secret_access_key="made-up",
        # Whether the certificate is trusted is not what it judges.
        verify=False,
    )


def aws_signed(
    headers: dict[str, str], body: str, keys: list[str], region: str, service: str
) -> Said:
    """Return the headers that botocore signs a POST to a host with."""
    url = f"https://{headers['Host']}/"
    request = AWSRequest("POST", url, dict(headers), body.encode())
    SigV4Auth(Credentials(*keys), service, region).add_auth(request)
    return dict(request.headers)


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
    "aws_signed": aws_signed,
    "connect": connect,
    "connect_load": connect_load,
    "doppler": doppler,
    "infisical": infisical,
    "infisical_login": infisical_login,
    "ssm": ssm,
    "ssm_put": ssm_put,
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
