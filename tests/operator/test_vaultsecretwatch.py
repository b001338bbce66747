"""kopf in our hands: whenever it is cancelled, nothing of it stays."""

import asyncio
from functools import partial
from unittest.mock import Mock

import pytest

from tests.running import run
from vaultferry.apiserver.server import ApiServer
from vaultferry.cluster import Cluster
from vaultferry.core.answers import Absent
from vaultferry.operator import health, vaultsecretwatch, watching
from vaultferry.operator.metrics import Metrics
from vaultferry.operator.vaultsecretwatch import VaultSecretWatch
from vaultferry.views import VaultSecrets

NOWHERE = ApiServer("http://127.0.0.1:9")


class Serving(Cluster):
    """Serves our kind, after it was asked a few times."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals

    async def check_served(self) -> None:
        if self.refusals:
            self.refusals -= 1
            raise Absent


def watch(cluster: Cluster) -> VaultSecretWatch:
    handlers = partial(watching.registry, NOWHERE, VaultSecrets(), lambda *_: None)
    return VaultSecretWatch(cluster, handlers, [None], print, asyncio.Event())


@pytest.mark.parametrize("turns", [*range(1, 16), 100])
def test_of_a_watch_that_is_cancelled_at_any_moment_nothing_stays(turns: int) -> None:
    async def story() -> set[str]:
        running = asyncio.create_task(watch(Serving()).run())
        for _ in range(turns):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait([running])
        await asyncio.sleep(0.05)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        return {str(task.get_coro()) for task in left}

    assert run(story()) == set()


@pytest.mark.parametrize("end", ["cancelled", "broken"])
def test_a_request_that_comes_while_kopf_runs_is_answered_though_kopf_ends(
    end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ConnectionError

    async def story() -> bytes:
        async with health.serving(0, Metrics(), {}, {}) as port:
            running = asyncio.create_task(watch(Serving()).run())
            await asyncio.sleep(0.1)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.sleep(0.1)
            if end == "cancelled":
                running.cancel()
                await asyncio.wait([running])
            else:
                await asyncio.sleep(0.5)
            writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            async with asyncio.timeout(5):
                answer = await reader.readline()
            writer.close()
            running.cancel()
            await asyncio.wait([running])
            return answer

    if end == "broken":
        monkeypatch.setattr(watching, "session", broken)

    assert run(story()) == b"HTTP/1.1 200 OK\r\n"


def test_a_kind_that_is_not_served_yet_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(vaultsecretwatch, "_CRD_RETRY_SECONDS", 0.01)
    cluster = Serving(refusals=2)

    async def story() -> None:
        running = asyncio.create_task(watch(cluster).run())
        await asyncio.sleep(0.2)
        running.cancel()
        await asyncio.wait([running])

    run(story())

    assert cluster.refusals == 0


def test_after_a_watch_that_lasted_the_pauses_are_short_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failures: list[int] = []

    def short(in_a_row: int, _: float) -> float:
        failures.append(in_a_row)
        return 0.0

    class Ending(VaultSecretWatch):
        lasting = [0.0, 0.0, 0.3, 0.0]

        async def _watch(self) -> None:
            await asyncio.sleep(self.lasting.pop(0))

    monkeypatch.setattr(vaultsecretwatch, "_LASTED_SECONDS", 0.2)
    monkeypatch.setattr(vaultsecretwatch, "delay", short)
    ending = Ending(Serving(), Mock(), [None], print, asyncio.Event())

    with pytest.raises(IndexError):
        run(ending.run())

    assert failures == [1, 2, 1, 2]
