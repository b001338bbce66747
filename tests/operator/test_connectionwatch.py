"""The watch of VaultConnections, against an API server that follows a script."""

import asyncio
from contextlib import suppress

from tests.builders import NAMESPACE, Body, connection_body, edited
from tests.operator.test_secretwatch import BOOKMARK, Answer, Script
from tests.running import run
from vaultferry.connections import Connections
from vaultferry.core.answers import Expired
from vaultferry.core.errors import ApiForbidden, ApiUnavailable
from vaultferry.operator.connectionwatch import ConnectionWatch
from vaultferry.views import Key

KEY = Key(NAMESPACE, "vault")


class Told(Script):
    """A script of lists and watches of VaultConnections."""

    list_vaultconnections = Script.list_secrets
    watch_vaultconnections = Script.watch_secrets


class Scene:
    """A ConnectionWatch, and whom it told of what."""

    def __init__(self, *answers: Answer, kept: Body | None = None) -> None:
        self.connections = Connections()
        if kept:
            self.connections.put(kept)
        self.moved: list[Key] = []
        self.restarts: list[str] = []
        self.complete = False
        run(self._play(answers))

    async def _play(self, answers: tuple[Answer, ...]) -> None:
        script = Told(*answers)
        watch = ConnectionWatch(
            cluster=script,
            scope=None,
            connections=self.connections,
            moved=self.moved.append,
            restarted=self.restarts.append,
            clock=lambda: 0.0,
        )
        task = asyncio.create_task(watch.run())
        ended = asyncio.create_task(script.silent.wait())
        await asyncio.wait([task, ended], return_when=asyncio.FIRST_COMPLETED)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        self.complete = watch.complete.is_set()


def way(version: int) -> Body:
    return edited(connection_body(), resourceVersion=str(version))


def test_a_list_tells_of_all_connections_and_is_then_complete() -> None:
    scene = Scene([way(7)])

    assert (scene.moved, scene.complete) == ([KEY], True)
    assert scene.connections.get(KEY)


def test_before_the_list_is_complete_nothing_is() -> None:
    assert not Scene(ApiUnavailable("no answer")).complete


def test_without_the_right_all_goes_on_that_needs_no_connection() -> None:
    assert Scene(ApiForbidden("refused")).complete


def test_changes_are_told_and_old_news_are_not() -> None:
    changes = [("MODIFIED", way(8)), ("MODIFIED", way(7)), BOOKMARK]
    scene = Scene([way(7)], changes)

    assert scene.moved == [KEY, KEY]


def test_a_deletion_is_told() -> None:
    scene = Scene([way(7)], [("DELETED", way(9))])

    assert scene.moved == [KEY, KEY]
    assert scene.connections.get(KEY) is None


def test_one_that_a_later_list_has_no_longer_is_gone() -> None:
    scene = Scene([way(7)], Expired(), [])

    assert scene.connections.get(KEY) is None
    assert scene.restarts == ["Expired"]
