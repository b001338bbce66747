"""Signs calls to AWS: Signature Version 4, for a POST of JSON to the root of a host.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

By ourselves: this is all of botocore that is needed, which is 31 MB with four libraries
below it, and prints what it signs, session tokens too, where logs are at DEBUG. Tests
compare what is made here with what botocore makes.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import reduce

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, repr=False)
class Credentials:
    """Who calls; without a `repr`, because it holds secrets."""

    key_id: str
    secret: str
    session_token: str | None = None


@dataclass(frozen=True)
class Scope:
    """What is called."""

    region: str
    service: str


def endpoint(service: str, region: str) -> str:
    """Return the public endpoint of a service in a region."""
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://{service}.{region}.{domain}"


def signed(
    headers: Mapping[str, str],
    body: bytes,
    credentials: Credentials,
    scope: Scope,
    now: datetime,
) -> dict[str, str]:
    """Return the headers of a call with those that sign it.

    Args:
        headers: all that are signed; `Host` is one of them.
        body: of the call.
        credentials: who calls.
        scope: what is called.
        now: in UTC; AWS allows five minutes of difference.
    """
    all_of_them = {**headers, "X-Amz-Date": f"{now:%Y%m%dT%H%M%SZ}"}
    if credentials.session_token:
        all_of_them["X-Amz-Security-Token"] = credentials.session_token
    by_name = {name.lower(): all_of_them[name].strip() for name in all_of_them}
    names = ";".join(sorted(by_name))
    lines = [f"{name}:{by_name[name]}" for name in sorted(by_name)]
    request = "\n".join(["POST", "/", "", *lines, "", names, _digest(body)])

    within = (f"{now:%Y%m%d}", scope.region, scope.service, "aws4_request")
    where = "/".join(within)
    date = all_of_them["X-Amz-Date"]
    text = "\n".join([_ALGORITHM, date, where, _digest(request.encode())])
    key = reduce(_mac, within, f"AWS4{credentials.secret}".encode())
    authorization = (
        f"{_ALGORITHM} Credential={credentials.key_id}/{where}, "
        f"SignedHeaders={names}, Signature={_mac(key, text).hex()}"
    )
    return {**all_of_them, "Authorization": authorization}


def _mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _digest(of: bytes) -> str:
    return hashlib.sha256(of).hexdigest()
