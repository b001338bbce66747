"""A credential that says when it expires: it is told and warned of, and stays."""

import json
import time
from base64 import urlsafe_b64encode

import pytest

from tests.e2e.acts import identity, stalled
from tests.e2e.operator import Operator
from tests.e2e.table import REALISED, becomes, events
from tests.e2e.tenant import Tenant, eventually
from vaultferry.core import expiry

# Warned of after four fifths: time enough for a first sync on a busy machine.
LIFE_SECONDS = 20


def part(content: object) -> str:
    return urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def jwt(end: float) -> str:
    return f"{part({'alg': 'none'})}.{part({'exp': int(end)})}.c2ln"


def expired(operator: Operator) -> int:
    return int(operator.metric("expiring", within="expired"))


def test_what_expires_is_told_warned_of_once_and_left_as_it_is(
    tenant: Tenant, operator: Operator
) -> None:
    end = time.time() + LIFE_SECONDS
    values = tenant.seal("api", token=jwt(end))
    tenant.apply(tenant.manifest("api", values, type="token"))

    body = becomes(tenant, "api", REALISED)
    before = [identity(tenant, kind, "api") for kind in ("vaultsecret", "secret")]
    assert body["status"]["expiresAt"] == expiry.text(end)
    eventually(lambda: ("Warning", "ExpiresSoon") in events(tenant, "api"))
    eventually(lambda: time.time() > end + 1)

    assert events(tenant, "api") == [("Warning", "ExpiresSoon")]
    assert expired(operator) == 1
    after = [identity(tenant, kind, "api") for kind in ("vaultsecret", "secret")]
    assert after == before


@pytest.mark.usefixtures("operator")
def test_a_signed_url_that_comes_when_it_has_expired_is_refused(
    tenant: Tenant,
) -> None:
    url = "https://x.example/box?sv=2024-11-04&sr=c&sp=r&se=2020-01-01&sig=Y2FuYXJ5"
    spec = {"type": "azure_blob", "authMethod": "azure_sas_url"}
    tenant.apply(tenant.manifest("box", tenant.seal("box", sas_url=url), **spec))

    condition = stalled(tenant, "box")

    assert condition["reason"] == "ValueExpired"
    assert condition["message"] == (
        "the credential expired at 2020-01-01T00:00:00Z: seal a new one"
    )
    assert not tenant.exists("secret", "box")
