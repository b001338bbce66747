"""A ServiceAccount without a cluster: its tokens are what a fake vault believes."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.builders import connection_body
from tests.vaults import jwt
from vaultferry.admission import refused
from vaultferry.core.errors import Failure

SUBJECT = "system:serviceaccount:team:reader"


def refusals(field: str, section: Mapping[str, object]) -> str:
    """Return what the API server says against a section of a connection."""
    body = connection_body() | {
        "apiVersion": "vaultferry.dev/v1alpha1",
        "kind": "VaultConnection",
        "spec": {field: dict(section)},
    }
    faults = refused(body)
    return "\n".join(f"{'.'.join(map(str, f.path))}: {f.message}" for f in faults)


@dataclass(eq=False)
class Issuing:
    """Asks for tokens, as a session is given it; equal to itself only."""

    audience: str
    subject: str = SUBJECT
    failure: Failure | None = None
    issued: list[str] = field(default_factory=list)
    raw: bytes | None = None

    async def __call__(self) -> bytes:
        if self.failure:
            raise self.failure
        if self.raw is not None:
            return self.raw
        claims = {
            "sub": self.subject,
            "aud": [self.audience],
            "exp": time.time() + 600,
            "jti": f"canary-{len(self.issued)}",
        }
        self.issued.append(jwt.write(claims))
        return self.issued[-1].encode()
