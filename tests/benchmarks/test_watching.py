import asyncio
from typing import Any

import pytest

from benchmarks.objects import Key
from benchmarks.watching import Arrivals, Late, is_true


def resource(name: str, status: str = "True", observed: int = 1) -> dict[str, Any]:
    ready = {"type": "Ready", "status": status, "observedGeneration": observed}
    metadata = {"namespace": "shop", "name": name, "generation": 1}
    return {"metadata": metadata, "status": {"conditions": [ready]}}


def test_the_last_one_that_was_waited_for_ends_the_wait() -> None:
    begun: list[bool] = []

    async def waited() -> Arrivals:
        wanted = [Key("shop", "a"), Key("shop", "b")]
        seen = Arrivals(wanted, is_true("Ready"), lambda: begun.append(True))
        for name in ("a", "other", "b", "a"):
            seen.see("MODIFIED", resource(name))
        await seen.all()
        return seen

    seen = asyncio.run(waited())

    assert seen.times.keys() == {Key("shop", "a"), Key("shop", "b")}
    assert seen.first <= seen.last
    assert begun == [True]


@pytest.mark.parametrize(
    "body",
    [resource("a", status="False"), resource("a", observed=0), {"metadata": {}}],
    ids=["not ready", "of an older generation", "without a status"],
)
def test_what_is_not_ready_of_its_generation_has_not_arrived(
    body: dict[str, Any],
) -> None:
    assert not is_true("Ready")(body)


def test_a_watch_that_fails_ends_the_wait_with_its_error() -> None:
    async def waited() -> None:
        seen = Arrivals([Key("shop", "a")], is_true("Ready"), lambda: None)
        seen.fail(OSError("made up"))
        await seen.all()

    with pytest.raises(Late, match="the watch failed"):
        asyncio.run(waited())
