"""Credentials of AWS that last for a while, from STS or from an agent.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
"""

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from vaultferry.core.errors import AuthenticationFailed, RateLimited
from vaultferry.core.provider import Issue
from vaultferry.outbound import Answer, Outbound
from vaultferry.providers import _aws, _http
from vaultferry.providers._login import Held, Login, lasting, seconds_until, shared

_LIMIT = 64 * 1024
_AGAIN_SECONDS = 60.0
_REFUSED = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
)
_FIELDS = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")


def role_of(
    account: Issue,
    role: str,
    region: str,
    outbound: Outbound,
    clock: Callable[[], float],
) -> Login[_aws.Credentials]:
    """Return the login of a ServiceAccount that has a role.

    Args:
        account: asks for tokens of it.
        role: the ARN.
        region: whose STS is asked, at its public endpoint.
        outbound: what calls are made by.
        clock: monotonic, in seconds.
    """

    async def exchange() -> Held[_aws.Credentials]:
        now = clock()
        token = _http.word(await account())
        return held(await assumed(role, token, region, outbound), now)

    credential = outbound, region, role, account
    return shared(credential, lambda: Login(exchange, clock))


async def assumed(
    role: str, token: str, region: str, outbound: Outbound
) -> Mapping[str, Any]:
    """Return what STS gives for a token.

    Raises:
        VaultFailure: it gives nothing.
    """
    asked = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": role,
        "RoleSessionName": "vaultferry",
        "WebIdentityToken": token,
    }
    vault = _http.Vault(outbound, _aws.endpoint("sts", region), None, _LIMIT)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await vault.send("/", headers, urlencode(asked).encode())
    check(answer)
    return {name: _element(answer, name) for name in _FIELDS}


def check(answer: Answer) -> None:
    """Check that credentials were given.

    Raises:
        VaultFailure: they were not.
    """
    code = _element(answer, "Code")
    if code.startswith("Throttling"):
        raise RateLimited("AWS was asked too often")
    if code == "IDPCommunicationError":
        # AWS itself did not reach the issuer of the token.
        raise _http.unreachable("idp")
    if answer.status in _REFUSED:
        words = "AWS does not let the identity take its role"
        raise AuthenticationFailed(words, wait=_AGAIN_SECONDS)
    _http.check(answer)


def held(found: Mapping[str, Any], now: float) -> Held[_aws.Credentials]:
    """Return credentials, and how long they are used.

    Raises:
        VaultFailure: they are none.
    """
    words = [found.get(name) for name in _FIELDS]
    if not all(isinstance(word, str) and word for word in words):
        raise _http.unreachable("no-credentials")
    *keys, expiration = map(str, words)
    try:
        seconds = seconds_until(expiration)
    except ValueError:
        seconds = 0.0
    if seconds <= 0:
        raise _http.unreachable("no-credentials")
    key_id, secret, session = (_http.word(key.encode()) for key in keys)
    credentials = _aws.Credentials(key_id, secret, session)
    return Held(credentials, now + lasting(seconds))


def _element(answer: Answer, name: str) -> str:
    """Return what is in the first element of that name; STS answers in XML."""
    pattern = f"<{name}>([^<&]*)</{name}>".encode()
    found = re.search(pattern, answer.body)
    return found[1].decode("ascii", "replace") if found else ""
