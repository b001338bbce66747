"""What the operator stands: an API server that goes away, a CRD that comes late."""

from pathlib import Path

import pytest

from tests.controlplane import ControlPlane, start
from tests.e2e.acts import restart_apiserver, wait_for_no_leftovers
from tests.e2e.operator import Operator, install, rights, running
from tests.e2e.rights import without
from tests.e2e.tenant import Tenant, eventually
from vaultferry.core.keyring import Keyring


def outage(plane: ControlPlane, operator: Operator) -> None:
    """Restart the API server when the lease was just renewed: it outlasts that then.

    Later it may not, and an operator that cannot renew for ten seconds begins anew.
    """
    # Now, so that the renewal is followed by the outage at once.
    wait_for_no_leftovers(plane)
    before = renewals(operator)
    eventually(lambda: renewals(operator) > before)
    restart_apiserver(plane)


def renewals(operator: Operator) -> float:
    return operator.metric("api_requests_total", code="200", verb="PUT")


@pytest.mark.usefixtures("own_control_plane")
def test_an_edit_made_after_an_outage_of_the_api_server_reaches_the_secret(
    operator: Operator, tenant: Tenant
) -> None:
    tenant.synced("db", password="before")
    pid = operator.pid

    outage(tenant.plane, operator)
    tenant.synced("db", password="after")

    eventually(lambda: tenant.data("db") == {"password": "after"}, seconds=60)
    assert operator.pid == pid


@pytest.mark.usefixtures("own_control_plane")
def test_a_secret_edited_after_an_outage_of_the_api_server_is_repaired(
    operator: Operator, tenant: Tenant
) -> None:
    tenant.synced("db", password="kept")

    outage(tenant.plane, operator)
    tenant.kubectl("patch", "secret", "db", "-p", '{"stringData":{"password":"x"}}')

    eventually(lambda: tenant.data("db") == {"password": "kept"}, seconds=60)
    assert operator.get("/livez") == "ok\n"


@pytest.mark.usefixtures("own_control_plane")
@pytest.mark.parametrize(
    ("resource", "failing"),
    [("secrets", "watch of Secrets"), ("vaultsecrets", "watch of VaultSecrets")],
)
def test_a_watch_that_lacks_its_right_is_named_by_readiness(
    operator: Operator, cluster: ControlPlane, resource: str, failing: str
) -> None:
    # After an outage in an earlier test, a watch may still be backing off.
    eventually(lambda: operator.not_ready() == [])

    with without(cluster, resource, "watch"):
        # A watch that is open stays open: it is asked for the right when it begins.
        outage(cluster, operator)
        eventually(lambda: operator.not_ready() == [failing])
        assert operator.get("/livez") == "ok\n"

    eventually(lambda: operator.not_ready() == [])


def test_an_operator_that_is_there_before_the_crd_waits_for_it(
    own_control_plane: ControlPlane, root_key: str, tmp_path: Path
) -> None:
    del own_control_plane  # it has the CRD; this test needs a cluster without it
    with start() as plane:
        rights(plane)
        with running(plane, tmp_path, root_key, ready=False) as operator:
            eventually(lambda: "not served" in operator.log.read_text())
            install(plane)
            plane.kubectl("create", "namespace", "late")
            tenant = Tenant(plane, "late", Keyring.parse([root_key]))

            tenant.synced("db", password="kept")

            assert tenant.data("db") == {"password": "kept"}
