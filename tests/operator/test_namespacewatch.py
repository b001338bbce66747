"""The watch of namespaces, against an API server that follows a script."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from tests.builders import Body
from tests.operator.test_secretwatch import BOOKMARK, Answer, Script
from tests.running import run
from vaultferry.connections import Namespaces
from vaultferry.core.answers import Expired
from vaultferry.core.errors import ApiForbidden
from vaultferry.operator.namespacewatch import NamespaceWatch

REFUSED = ApiForbidden("refused")


class Told(Script):
    """A script of lists and watches of namespaces."""

    def list_namespaces(self) -> AsyncIterator[tuple[list[Any], str]]:
        return self.list_secrets(None)

    def watch_namespaces(
        self, resource_version: str, seconds: int
    ) -> AsyncIterator[tuple[str, Any]]:
        return self.watch_secrets(None, resource_version, seconds)


class Scene:
    """A NamespaceWatch, and whom it told of what."""

    def __init__(self, *answers: Answer) -> None:
        self.namespaces = Namespaces()
        self.moved: list[str] = []
        self.judged = 0
        self.complete = False
        run(self._play(answers))

    def _judge(self) -> None:
        self.judged += 1

    async def _play(self, answers: tuple[Answer, ...]) -> None:
        script = Told(*answers)
        watch = NamespaceWatch(
            cluster=script,
            scope=None,
            namespaces=self.namespaces,
            moved=self.moved.append,
            judged=self._judge,
            restarted=lambda _: None,
            clock=lambda: 0.0,
        )
        task = asyncio.create_task(watch.run())
        ended = asyncio.create_task(script.silent.wait())
        await asyncio.wait([task, ended], return_when=asyncio.FIRST_COMPLETED)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        self.complete = watch.complete.is_set()


def namespace(name: str, version: int = 7, **labels: str) -> Body:
    metadata: Body = {"name": name, "uid": f"uid-of-{name}"}
    metadata |= {"resourceVersion": str(version)}
    return {"metadata": metadata | ({"labels": labels} if labels else {})}


def test_a_list_tells_of_all_namespaces_and_is_then_complete() -> None:
    scene = Scene([namespace("shop", team="a"), namespace("bare")])

    assert (scene.moved, scene.complete) == (["shop", "bare"], True)
    assert scene.namespaces.labels("shop") == {"team": "a"}
    assert scene.namespaces.labels("bare") == {}
    assert scene.namespaces.labels("other") is None


def test_only_what_has_other_labels_is_told() -> None:
    changes = [
        ("MODIFIED", namespace("shop", 8, team="a")),
        ("MODIFIED", namespace("shop", 9, team="b")),
        BOOKMARK,
    ]
    scene = Scene([namespace("shop", team="a")], changes)

    assert scene.moved == ["shop", "shop"]
    assert scene.namespaces.labels("shop") == {"team": "b"}


def test_a_namespace_that_is_gone_is_not_known() -> None:
    deleted = Scene([namespace("shop")], [("DELETED", namespace("shop", 9))])
    relisted = Scene([namespace("shop")], Expired(), [])

    for scene in (deleted, relisted):
        assert scene.moved == ["shop", "shop"]
        assert scene.namespaces.labels("shop") is None


def test_without_the_right_nothing_is_known_and_all_else_goes_on() -> None:
    scene = Scene([namespace("shop", team="a")], REFUSED)

    assert scene.complete
    assert scene.judged == 1
    assert "rbac.yaml" in scene.namespaces.refusal
    assert scene.namespaces.labels("shop") is None


def test_without_the_right_from_the_beginning_nobody_waits() -> None:
    scene = Scene(REFUSED)

    assert scene.complete
    assert scene.namespaces.refusal


def test_with_the_right_back_labels_are_known_again() -> None:
    scene = Scene(REFUSED, [namespace("shop", team="a")])

    assert scene.namespaces.refusal == ""
    assert scene.namespaces.labels("shop") == {"team": "a"}
    assert scene.judged == 2
