import asyncio
from collections.abc import Mapping

import aiohttp
import pytest

from tests.running import run
from vaultferry.operator.health import Checks, serving
from vaultferry.operator.metrics import Metrics

Answer = tuple[int, str]


def yes() -> bool:
    return True


def no() -> bool:
    return False


def answers(live: Checks, ready: Checks, *paths: str) -> dict[str, Answer]:
    """Return what a prober is answered, over HTTP."""

    async def ask() -> dict[str, Answer]:
        metrics = Metrics()
        async with (
            serving(0, metrics, live, ready) as port,
            aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
        ):
            return {path: await _get(session, path) for path in paths}

    return run(ask())


async def _get(session: aiohttp.ClientSession, path: str) -> Answer:
    async with session.get(path) as response:
        return response.status, await response.text()


OK = (200, "ok\n")
CASES: dict[str, tuple[Checks, Checks, Mapping[str, Answer]]] = {
    "all is well": ({"a": yes}, {"b": yes}, {"/livez": OK, "/readyz": OK}),
    "nothing is checked": ({}, {}, {"/livez": OK, "/readyz": OK}),
    "not ready": (
        {"a": yes},
        {"c": no, "b": no},
        {"/livez": OK, "/readyz": (503, "failing: b, c\n")},
    ),
    "not alive": (
        {"a": no},
        {"b": yes},
        {"/livez": (503, "failing: a\n"), "/readyz": (503, "failing: a\n")},
    ),
}


@pytest.mark.parametrize(("live", "ready", "expected"), CASES.values(), ids=CASES)
def test_a_prober_is_told_what_fails(
    live: Checks, ready: Checks, expected: Mapping[str, Answer]
) -> None:
    assert answers(live, ready, "/livez", "/readyz") == expected


def test_metrics_are_served_as_text() -> None:
    status, text = answers({}, {}, "/metrics")["/metrics"]

    assert status == 200
    assert "vaultferry_build_info" in text


def test_there_is_nothing_else() -> None:
    assert answers({}, {}, "/", "/debug")["/debug"][0] == 404


def test_nothing_listens_afterwards() -> None:
    async def leave() -> None:
        async with serving(0, Metrics(), {}, {}) as port:
            pass
        await asyncio.open_connection("127.0.0.1", port)

    with pytest.raises(ConnectionRefusedError):
        run(leave())
