"""Leading again and again in one process leaves nothing behind."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.controlplane import ControlPlane, start
from tests.e2e.acts import fresh
from tests.e2e.operator import NAMESPACE, install
from tests.e2e.tenant import Tenant, eventually
from vaultferry.apiserver.entries import read
from vaultferry.apiserver.kubeconfig import api_server
from vaultferry.core.keyring import Keyring
from vaultferry.operator.app import Operator
from vaultferry.operator.settings import Settings

TERMS = 4


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class Story:
    """One operator in this process, and somebody who takes the lease away from it."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.kept: list[tuple[int, int, int]] = []

    async def run(self, keyring: Keyring) -> None:
        kubeconfig = self.tenant.plane.kubeconfig_for_service_account(
            NAMESPACE, "vaultferry"
        )
        server = api_server(read([kubeconfig]))
        settings = Settings(keyring, port=0)
        # One thread, from the first term on: a pool takes more when it likes to.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        stop = asyncio.Event()
        operator = Operator(settings, server)
        running = asyncio.create_task(operator.run(stop))
        try:
            for number in range(TERMS):
                await self.term(f"db-{number}", operator)
        finally:
            stop.set()
            await running
        await asyncio.sleep(0.5)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    async def term(self, name: str, operator: Operator) -> None:
        await asyncio.to_thread(self.tenant.synced, name, password=name)
        assert operator.is_leading
        await asyncio.to_thread(self.give, "them")
        await asyncio.to_thread(eventually, lambda: not operator.is_leading)
        # What closes by itself gets its time.
        await asyncio.sleep(2)
        tasks = len(asyncio.all_tasks())
        self.kept.append((tasks, threading.active_count(), open_files()))
        await asyncio.to_thread(self.give, "")

    def give(self, holder: str) -> None:
        spec = json.dumps({"spec": {"holderIdentity": holder}})
        lease = ("-n", NAMESPACE, "patch", "lease", "vaultferry")
        self.tenant.plane.kubectl(*lease, "--type=merge", f"--patch={spec}")


def test_term_after_term_leaves_no_task_no_thread_and_no_connection(
    own_control_plane: ControlPlane, keyring: Keyring
) -> None:
    del own_control_plane  # another operator may lead there
    with start() as plane:
        install(plane)
        with fresh(plane, keyring) as tenant:
            story = Story(tenant)
            asyncio.run(story.run(keyring))

    print(f"tasks, threads, open files after each term: {story.kept}")
    first, *later = story.kept
    assert later == [first] * (TERMS - 1)
