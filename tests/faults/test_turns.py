"""VaultSecrets that merge into one slow Secret keep nobody else waiting."""

import json

from tests.controlplane import ControlPlane
from tests.e2e.acts import foreign_secret, fresh, ready_count
from tests.e2e.operator import Operator
from tests.e2e.tenant import Tenant, eventually
from tests.faults.faults import Held
from tests.faults.proxy import Proxy
from tests.faults.record import Entry
from tests.faults.rules import Rule
from vaultferry.core.consent import ALLOW
from vaultferry.core.keyring import Keyring

MANY = 24
"""More than there are workers."""


def create_merging(tenant: Tenant) -> None:
    target = {"name": "shared", "creationPolicy": "Merge"}
    names = [f"db-{number}" for number in range(MANY)]
    items = [
        tenant.manifest(name, tenant.seal(name, **{name: "one"}), target=target)
        for name in names
    ]
    listed = {"apiVersion": "v1", "kind": "List", "items": items}
    tenant.kubectl("create", "--filename=-", stdin=json.dumps(listed))


def test_those_that_wait_for_their_turn_keep_no_worker(
    operator: Operator, proxy: Proxy, plane: ControlPlane, keyring: Keyring
) -> None:
    operator.start()
    held = Held()
    with fresh(plane, keyring) as crowd, fresh(plane, keyring) as other:
        path = f"/api/v1/namespaces/{crowd.namespace}/secrets/shared"

        def is_for_shared(entry: Entry) -> bool:
            return entry.target.startswith(path)

        foreign_secret(crowd, "shared", annotations={ALLOW: "merge"})
        rule = Rule("held", held, is_for_shared)
        with proxy.doing(rule):
            create_merging(crowd)
            # An attempt fails after a while, and is due again later: some wait still.
            eventually(lambda: operator.metric("queue_depth") > MANY / 2)
            eventually(lambda: operator.metric("workers_busy") == 1)
            other.synced("new", v="one")
            assert rule.done <= 4
            proxy.call(held.release())
            eventually(lambda: ready_count(crowd) == MANY, 90)
    assert operator.stop() == 0
