"""What the operator itself is at AWS, by what EKS tells its pod.

Either its ServiceAccount has a role (IRSA), and STS takes a token of it, or it has an
EKS Pod Identity, and the agent on the node does. The role of the machine (IMDS) is not
asked for.
"""

import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from vaultferry.core.errors import ConnectionNotReady
from vaultferry.core.provider import Ambient
from vaultferry.outbound import Outbound, Unreachable, agent
from vaultferry.providers import _aws, _aws_sts, _http
from vaultferry.providers._login import Held, Login, shared

_ROLE = "AWS_ROLE_ARN"
_ROLE_TOKEN = "AWS_WEB_IDENTITY_TOKEN_FILE"  # noqa: S105 - the name of a variable
_AGENT = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
_AGENT_TOKEN = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"  # noqa: S105 - as above
_REGION = "AWS_REGION"

AMBIENT = Ambient((_ROLE, _ROLE_TOKEN, _AGENT, _AGENT_TOKEN, _REGION))

# A token for anybody else, such as the API server, is not shown to AWS.
_STS_AUDIENCES = frozenset({"sts.amazonaws.com", "sts.amazonaws.com.cn"})
_AGENT_AUDIENCES = frozenset({"pods.eks.amazonaws.com"})

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
        return _aws_sts.held(await exchange(), now)

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
    token = _token(environ[_ROLE_TOKEN], _STS_AUDIENCES)
    return await _aws_sts.assumed(environ[_ROLE], token, region, outbound)


async def _by_agent(environ: Mapping[str, str]) -> Mapping[str, Any]:
    token = _token(environ[_AGENT_TOKEN], _AGENT_AUDIENCES)
    try:
        answer = await agent.ask(environ[_AGENT], token)
    except Unreachable as error:
        detail = str(error)
    else:
        _aws_sts.check(answer)
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
