"""What the operator itself is at AWS, by what EKS tells its pod.

Either its ServiceAccount has a role (IRSA), and STS takes a token of it, or it has an
EKS Pod Identity, and the agent on the node does. The role of the machine (IMDS) is not
asked for.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
"""

import base64
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from vaultferry.core.errors import AuthenticationFailed, ConnectionNotReady, RateLimited
from vaultferry.core.provider import Ambient
from vaultferry.outbound import Answer, Outbound, Unreachable, agent
from vaultferry.providers import _aws, _http
from vaultferry.providers._login import Held, Login, lasting, seconds_until, shared

_ROLE = "AWS_ROLE_ARN"
_ROLE_TOKEN = "AWS_WEB_IDENTITY_TOKEN_FILE"  # noqa: S105 - the name of a variable
_AGENT = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
_AGENT_TOKEN = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"  # noqa: S105 - as above
_REGION = "AWS_REGION"

AMBIENT = Ambient((_ROLE, _ROLE_TOKEN, _AGENT, _AGENT_TOKEN, _REGION))

# A token for anybody else, such as the API server, is not shown to AWS.
_STS_AUDIENCES = frozenset({"sts.amazonaws.com", "sts.amazonaws.com.cn"})
_AGENT_AUDIENCES = frozenset({"pods.eks.amazonaws.com"})

_LIMIT = 64 * 1024
_AGAIN_SECONDS = 60.0
_REFUSED = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
)
_UNKNOWN = "AWS does not take what the operator itself is"

_FIELDS = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")

_Clock = Callable[[], float]


def login(
    given: Mapping[str, bytes], region: str, outbound: Outbound, clock: _Clock
) -> Login[_aws.Credentials]:
    """Return the one login of the operator itself.

    Args:
        given: the variables of the environment that are set.
        region: whose STS is asked where the environment names none.
        outbound: what calls are made by.
        clock: monotonic, in seconds.

    Raises:
        ConnectionNotReady: the operator has no identity at AWS.
    """
    environ = {name: text.decode() for name, text in given.items()}
    region = environ.get(_REGION, region)
    exchange = _exchange(environ, region, outbound)

    async def exchanged() -> Held[_aws.Credentials]:
        now = clock()
        return _held(await exchange(), now)

    credential = outbound, region, frozenset(environ.items())
    return shared(credential, lambda: Login(exchanged, clock))


def _exchange(
    environ: Mapping[str, str], region: str, outbound: Outbound
) -> Callable[[], Awaitable[Mapping[str, Any]]]:
    if {_ROLE, _ROLE_TOKEN} <= environ.keys():
        return partial(_by_role, environ, region, outbound)
    if {_AGENT, _AGENT_TOKEN} <= environ.keys():
        return partial(_by_agent, environ)
    raise ConnectionNotReady(
        "the operator has no identity at AWS: give its ServiceAccount a role or an EKS "
        "Pod Identity, or name a Secret"
    )


async def _by_role(
    environ: Mapping[str, str], region: str, outbound: Outbound
) -> Mapping[str, Any]:
    asked = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": environ[_ROLE],
        "RoleSessionName": "vaultferry",
        "WebIdentityToken": _token(environ[_ROLE_TOKEN], _STS_AUDIENCES),
    }
    vault = _http.Vault(outbound, _aws.endpoint("sts", region), None, _LIMIT)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await vault.send("/", headers, urlencode(asked).encode())
    _check(answer)
    return {name: _element(answer, name) for name in _FIELDS}


async def _by_agent(environ: Mapping[str, str]) -> Mapping[str, Any]:
    token = _token(environ[_AGENT_TOKEN], _AGENT_AUDIENCES)
    try:
        answer = await agent.ask(environ[_AGENT], token)
    except Unreachable as error:
        detail = str(error)
    else:
        _check(answer)
        found = _http.document(answer)
        said = found if isinstance(found, dict) else {}
        return {**said, "SessionToken": said.get("Token")}
    raise _http.unreachable(detail)


def _token(path: str, audiences: frozenset[str]) -> str:
    """Return the token in a file, which is for one of these and for nobody else.

    Raises:
        ConnectionNotReady: it is not, or is not there.
    """
    try:
        text = Path(path).read_text("ascii").strip()
        said = json.loads(base64.urlsafe_b64decode(text.split(".")[1] + "=="))["aud"]
    except (OSError, ValueError, LookupError, TypeError):
        said = None
    found = said if isinstance(said, list) else [said]
    if found and all(isinstance(each, str) and each in audiences for each in found):
        return text
    raise ConnectionNotReady(
        "the operator has no identity at AWS: the token that its environment names "
        "cannot be read, or is for somebody else"
    )


def _check(answer: Answer) -> None:
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
        raise AuthenticationFailed(_UNKNOWN, wait=_AGAIN_SECONDS)
    _http.check(answer)


def _element(answer: Answer, name: str) -> str:
    """Return what is in the first element of that name; STS answers in XML."""
    pattern = f"<{name}>([^<&]*)</{name}>".encode()
    found = re.search(pattern, answer.body)
    return found[1].decode("ascii", "replace") if found else ""


def _held(found: Mapping[str, Any], now: float) -> Held[_aws.Credentials]:
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
