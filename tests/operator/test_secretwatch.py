"""The watch of Secrets against a server that answers from a script."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

import pytest

from tests.builders import Body, edited, secret_body, vault_secret_body
from tests.running import run
from tests.world import KEY
from vaultferry.cluster import Cluster
from vaultferry.core.answers import Absent, Expired, Stale
from vaultferry.core.errors import ApiForbidden, ApiUnavailable
from vaultferry.core.secret import LABEL
from vaultferry.core.urgency import Lane
from vaultferry.operator.secretwatch import SecretWatch
from vaultferry.views import Key, Secrets, VaultSecrets

OTHER = Key("team", "other")
DOWN = ApiUnavailable("the API server did not answer")
REFUSED = ApiForbidden("a right is missing")

Event: TypeAlias = tuple[str, Body] | Exception
Answer: TypeAlias = Sequence[Event | Body] | Exception


class Script(Cluster):
    """Answers one list or watch after the other, then stays silent."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []
        self.scopes: set[str | None] = set()
        self.at: list[float] = []
        self.silent = asyncio.Event()

    async def list_secrets(
        self, namespace: str | None
    ) -> AsyncIterator[tuple[list[Any], str]]:
        self.scopes.add(namespace)
        for page in await self._next("list"):
            yield [page], "50"
        yield [], "50"

    async def watch_secrets(
        self, namespace: str | None, resource_version: str, seconds: int
    ) -> AsyncIterator[tuple[str, Any]]:
        self.scopes.add(namespace)
        assert seconds > 60
        for event in await self._next(f"watch {resource_version}"):
            if isinstance(event, Exception):
                raise event
            yield event[0], event[1]

    async def _next(self, asked: str) -> Sequence[Any]:
        self.asked.append(asked)
        self.at.append(asyncio.get_running_loop().time())
        if not self._answers:
            self.silent.set()
            await asyncio.Event().wait()
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


BOOKMARK = ("BOOKMARK", {"metadata": {"resourceVersion": "70"}})


class Scene:
    """A SecretWatch, its views and whom it woke."""

    def __init__(self, *kept: Body, scope: str | None = None) -> None:
        self.scope = scope
        self.vaultsecrets = VaultSecrets()
        self.vaultsecrets.put(vault_secret_body())
        self.secrets = Secrets(self.vaultsecrets)
        for body in kept:
            self.secrets.put(body)
        self.woken: list[Key] = []
        self.lanes: list[Lane] = []
        self.complete = False
        self.is_refused = False
        self.restarts: list[str] = []
        self.asked: list[str] = []
        self.pauses: list[float] = []
        self.heard = 0.0

    def _wake(self, secret: Key, lane: Lane) -> None:
        for key in self.vaultsecrets.using(secret):
            self.woken.append(key)
            self.lanes.append(lane)

    def play(self, *answers: Answer) -> "Scene":
        """Run the watch to the end of the script."""
        run(self._play(answers))
        return self

    async def _play(self, answers: Sequence[Answer]) -> None:
        script, times = Script(*answers), iter(range(1_000))
        watch = SecretWatch(
            cluster=script,
            scope=self.scope,
            secrets=self.secrets,
            moved=self._wake,
            restarted=self.restarts.append,
            clock=lambda: float(next(times)),
        )
        task = asyncio.create_task(watch.run())
        ended = asyncio.create_task(script.silent.wait())
        await asyncio.wait([task, ended], return_when=asyncio.FIRST_COMPLETED)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        self.complete, self.heard = watch.complete.is_set(), watch.heard
        self.is_refused = watch.is_refused
        self.asked = script.asked
        assert script.scopes <= {self.scope}
        self.pauses = [b - a for a, b in zip(script.at, script.at[1:], strict=False)]


def secret(version: int, name: str = "app", **metadata: Any) -> Body:
    return secret_body(name=name, resourceVersion=str(version), **metadata)


def test_a_list_tells_of_all_secrets_and_is_then_complete() -> None:
    scene = Scene().play([secret(7), secret(8, "other")])

    assert scene.secrets.keys() == {KEY}
    assert (scene.woken, scene.complete) == ([KEY], True)
    assert scene.asked == ["list", "watch 50"]


def test_before_the_list_is_complete_nothing_is() -> None:
    scene = Scene().play()

    assert (scene.asked, scene.complete) == (["list"], False)


def test_an_empty_list_is_complete_as_well() -> None:
    assert Scene().play([]).complete


@pytest.mark.parametrize("kind", ["ADDED", "MODIFIED"])
def test_a_change_is_seen_and_wakes(kind: str) -> None:
    scene = Scene().play([], [(kind, secret(60))])

    seen = scene.secrets.get(KEY)
    assert seen
    assert seen.resource_version == "60"
    assert scene.woken == [KEY]


def test_a_deletion_is_seen_and_wakes() -> None:
    scene = Scene().play([secret(7)], [("DELETED", secret(60))])

    assert scene.secrets.get(KEY) is None
    assert scene.woken == [KEY, KEY]


def test_what_changes_a_secret_is_urgent_and_what_the_first_list_finds_is_not() -> None:
    scene = Scene().play([secret(7)], [("MODIFIED", secret(60))])

    assert scene.lanes == [Lane.LAST, Lane.URGENT]


def test_a_secret_that_went_is_urgent() -> None:
    scene = Scene().play([secret(7)], [("DELETED", secret(60))])

    assert scene.lanes == [Lane.LAST, Lane.URGENT]


def test_what_a_later_list_finds_was_missed_and_is_urgent() -> None:
    scene = Scene().play([secret(7)], Expired(), [secret(8)], Expired(), [])

    assert scene.lanes == [Lane.LAST, Lane.URGENT, Lane.URGENT]


def test_a_secret_of_nobody_wakes_nobody() -> None:
    labelled = secret(60, "other", labels={LABEL: "true"})

    scene = Scene().play([], [("ADDED", labelled), ("DELETED", labelled)])

    assert (scene.woken, len(scene.secrets)) == ([], 0)


def test_a_bookmark_moves_the_place_and_nothing_else() -> None:
    scene = Scene().play([], [BOOKMARK])

    assert scene.asked == ["list", "watch 50", "watch 70"]
    assert (scene.woken, len(scene.secrets)) == ([], 0)


def test_a_watch_that_ended_goes_on_where_it_was() -> None:
    scene = Scene().play([], [("ADDED", secret(60))], [("MODIFIED", secret(61))])

    assert scene.asked == ["list", "watch 50", "watch 60", "watch 61"]


def test_what_a_list_no_longer_has_is_gone() -> None:
    scene = Scene(secret(7)).play([])

    assert (scene.secrets.get(KEY), scene.woken) == (None, [KEY])


def test_what_we_made_since_the_list_is_not_gone() -> None:
    scene = Scene(secret(51)).play([])

    assert scene.secrets.get(KEY)
    assert scene.woken == []


@pytest.mark.parametrize(
    "expired", [Expired(), [BOOKMARK, Expired()]], ids=["at once", "later"]
)
def test_a_place_that_expired_is_listed_anew(expired: Answer) -> None:
    scene = Scene().play([secret(7)], expired, [])

    assert scene.asked == ["list", "watch 50", "list", "watch 50"]
    assert scene.secrets.get(KEY) is None


def test_a_server_that_only_expires_does_not_spin_us() -> None:
    scene = Scene().play([], Expired(), [], Expired(), [])

    assert min(scene.pauses[1::2]) >= 0.1


def test_a_list_that_expires_is_not_complete() -> None:
    scene = Scene().play(Expired(), Expired())

    assert (scene.asked, scene.complete) == (["list"] * 3, False)


def test_it_is_told_why_a_watch_ended() -> None:
    scene = Scene().play([], [BOOKMARK], Expired(), [], DOWN, REFUSED)

    assert scene.restarts == ["ended", "Expired", "ApiUnavailable", "ApiForbidden"]


@pytest.mark.parametrize("fault", [DOWN, REFUSED, Absent(), Stale()], ids=repr)
def test_a_failure_is_waited_out_and_the_watch_goes_on(fault: Exception) -> None:
    scene = Scene().play([], fault, [("ADDED", secret(60))])

    assert scene.asked == ["list", "watch 50", "watch 50", "watch 60"]
    assert scene.pauses[1] >= 0.25
    assert scene.woken == [KEY]


def test_a_watch_that_broke_goes_on_where_it_was() -> None:
    scene = Scene().play([], [BOOKMARK, DOWN])

    assert scene.asked == ["list", "watch 50", "watch 70"]


def test_failures_in_a_row_are_waited_out_longer() -> None:
    scene = Scene().play(DOWN, DOWN, [])

    assert scene.asked == ["list"] * 3 + ["watch 50"]
    assert scene.pauses[0] >= 0.25
    assert scene.pauses[1] >= 0.5


def test_every_word_of_the_server_is_heard() -> None:
    silent, heard = Scene().play([]), Scene().play([], [BOOKMARK])

    assert heard.heard > silent.heard


def test_a_watch_that_ended_without_a_word_was_agreed_to() -> None:
    assert Scene().play([], []).heard > Scene().play([]).heard


def test_a_failure_is_no_word_of_the_server() -> None:
    assert Scene().play(DOWN).heard == Scene().play().heard


@pytest.mark.parametrize(("scope", "left"), [(KEY.namespace, 0), ("other", 1)])
def test_a_list_of_a_namespace_says_nothing_of_another(scope: str, left: int) -> None:
    assert len(Scene(secret(7), scope=scope).play([]).secrets) == left


def test_a_right_that_is_missing_shows_and_is_no_silence() -> None:
    refused = Scene().play([], REFUSED)

    assert refused.is_refused
    assert refused.complete
    assert refused.heard > Scene().play([], DOWN).heard


@pytest.mark.parametrize("then", [[BOOKMARK], DOWN], ids=["word", "outage"])
def test_a_right_that_was_given_back_is_missed_no_more(then: Answer) -> None:
    assert not Scene().play([], REFUSED, then).is_refused


def test_a_secret_of_two_resources_wakes_both() -> None:
    scene = Scene()
    second = vault_secret_body(target={"name": KEY.name})
    scene.vaultsecrets.put(edited(second, name="second"))

    scene.play([secret(7)])

    assert set(scene.woken) == {KEY, Key("team", "second")}
