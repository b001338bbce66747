"""The glue to kopf: it watches, and can write nothing."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

import kopf
import pytest
from aiohttp import web

from tests.builders import UID, Body, edited, vault_secret_body
from tests.running import run
from tests.world import KEY
from vaultferry.apiserver.credentials import Fixed
from vaultferry.apiserver.server import ApiServer
from vaultferry.core.urgency import Lane
from vaultferry.operator.watching import (
    Endless,
    NoDiffBase,
    NoProgress,
    registry,
    settings,
)
from vaultferry.views import Key, VaultSecrets

WRITERS = ("_changing", "_indexing", "_spawning", "_webhooks")


def ignored(scope: str | None, *, well: bool) -> None:
    del scope, well


class Glue:
    """kopf's handlers with what they tell."""

    def __init__(self) -> None:
        self.vaultsecrets = VaultSecrets()
        self.woken: list[Key] = []
        self.lanes: list[Lane] = []
        access = ApiServer("https://api.example.com")
        self.registry = registry(access, self.vaultsecrets, self._wake, ignored)

    def handlers(self, kind: str) -> dict[str, Any]:
        found = vars(self.registry)[kind].get_all_handlers()
        return {str(handler.id).rpartition(".")[2]: handler.fn for handler in found}

    def tell(self, kind: str | None, body: Body) -> None:
        seen = self.handlers("_watching")["seen"]
        assert run(seen(event={"type": kind, "object": body}, memo=None)) is None

    def _wake(self, key: Key, lane: Lane) -> None:
        self.woken.append(key)
        self.lanes.append(lane)


def test_kopf_has_no_handler_that_writes() -> None:
    glue = Glue()

    assert [kind for kind in WRITERS if glue.handlers(kind)] == []
    assert glue.handlers("_watching").keys() == {"seen"}
    assert glue.handlers("_activities").keys() == {"login"}


def test_every_kind_of_handler_that_kopf_knows_was_looked_at() -> None:
    kinds = set(vars(Glue().registry))

    assert kinds == {*WRITERS, "_watching", "_activities"}


@pytest.mark.parametrize("kind", [None, "ADDED", "MODIFIED"])
def test_an_event_updates_the_view_and_wakes_the_resource(kind: str | None) -> None:
    glue = Glue()

    glue.tell(kind, vault_secret_body())

    assert glue.vaultsecrets.get(KEY)
    assert glue.woken == [KEY]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (None, Lane.LAST),
        ("ADDED", Lane.ROUTINE),
        ("MODIFIED", Lane.ROUTINE),
        ("DELETED", Lane.URGENT),
    ],
)
def test_only_a_listing_of_what_is_as_it_was_is_for_the_last_lane(
    kind: str | None, expected: Lane
) -> None:
    glue = Glue()

    glue.tell(kind, vault_secret_body() | {"status": {"observedGeneration": 1}})

    assert glue.lanes == [expected]


@pytest.mark.parametrize("kind", [None, "ADDED", "MODIFIED"])
def test_what_was_never_synced_is_urgent(kind: str | None) -> None:
    glue = Glue()

    glue.tell(kind, vault_secret_body())

    assert glue.lanes == [Lane.URGENT]


def test_old_news_wake_nobody() -> None:
    glue = Glue()

    glue.tell("ADDED", edited(vault_secret_body(), resourceVersion="9"))
    glue.tell("MODIFIED", edited(vault_secret_body(), resourceVersion="8"))

    assert glue.woken == [KEY]


@pytest.mark.parametrize(("uid", "left"), [(UID, 0), ("another", 1)])
def test_a_deletion_is_of_one_uid_and_wakes(uid: str, left: int) -> None:
    glue = Glue()
    glue.tell("ADDED", vault_secret_body())

    glue.tell("DELETED", edited(vault_secret_body(), uid=uid))

    assert (len(glue.vaultsecrets), glue.woken) == (left, [KEY, KEY])


def test_a_deletion_wakes_those_that_want_the_same_secret() -> None:
    glue = Glue()
    glue.tell("ADDED", vault_secret_body())
    heir = edited(vault_secret_body(target={"name": KEY.name}), name="heir")
    glue.tell("ADDED", heir)
    glue.woken.clear()

    glue.tell("DELETED", vault_secret_body())

    assert glue.woken == [KEY, Key(KEY.namespace, "heir")]


class Kept(Fixed):
    """A token, and how often it was refused."""

    refusals = 0

    def refused(self, authorization: str | None) -> None:
        assert authorization == "Bearer made-up"
        Kept.refusals += 1


class Door:
    """A server on loopback that answers by path, and is asked as kopf asks."""

    def __init__(self, path: str = "", **statuses: int) -> None:
        self.path = path
        self.credentials = Kept("Bearer made-up")
        self.statuses = statuses
        self.asked: list[tuple[str, str | None]] = []
        self.told: list[tuple[str | None, bool]] = []

    def asking(self, *paths: str, as_proxy: bool = False) -> "Door":
        """Log in once for each path, ask for it, and keep what was told."""
        run(self._ask(paths, as_proxy=as_proxy))
        return self

    async def _ask(self, paths: Sequence[str], *, as_proxy: bool) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        here = f"http://127.0.0.1:{runner.addresses[0][1]}"
        access = ApiServer(
            f"http://api.example.com{self.path}" if as_proxy else f"{here}{self.path}",
            self.credentials,
            proxy=here if as_proxy else None,
        )
        logins = registry(access, VaultSecrets(), lambda *_: None, self._tell)
        [login] = vars(logins)["_activities"].get_all_handlers()
        for path in paths:
            given = await login.fn()
            assert given.expiration is not None
            async with (
                given.aiohttp_session as client,
                client.get(f"{given.server}{path}"),
            ):
                pass
        await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append((str(request.url), request.headers.get("Authorization")))
        name = request.path.rpartition("/")[2]
        return web.Response(status=self.statuses.get(name, 200))

    def _tell(self, scope: str | None, *, well: bool) -> None:
        self.told.append((scope, well))


OURS = "/apis/vaultferry.dev/v1alpha1"


def test_a_login_shows_the_token() -> None:
    [(_, shown)] = Door().asking("/api").asked

    assert shown == "Bearer made-up"


def test_a_login_goes_through_the_proxy_that_the_calls_use() -> None:
    [(url, _)] = Door().asking("/api", as_proxy=True).asked

    assert url == "http://api.example.com/api"


@pytest.mark.parametrize("status", [200, 403, 410, 500])
def test_it_is_told_how_a_watch_is_answered_and_of_which_namespace(status: int) -> None:
    paths = f"{OURS}/vaultsecrets?watch=true", f"{OURS}/namespaces/team/vaultsecrets"

    told = Door(vaultsecrets=status).asking(*paths).told

    assert told == [(None, status == 200), ("team", status == 200)]


def test_a_server_may_have_a_path_of_its_own() -> None:
    door = Door("/clusters/a").asking(f"{OURS}/vaultsecrets")

    assert door.told == [(None, True)]
    assert door.asked[0][0].endswith(f"/clusters/a{OURS}/vaultsecrets")


@pytest.mark.parametrize(("status", "refusals"), [(401, 1), (403, 0)])
def test_a_token_that_is_refused_is_not_shown_again(
    status: int, refusals: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Kept, "refusals", 0)

    Door(vaultsecrets=status).asking(f"{OURS}/vaultsecrets")

    assert Kept.refusals == refusals


def test_of_other_answers_nothing_is_told() -> None:
    paths = "/apis", OURS, f"{OURS}/namespaces/team/vaultsecrets/one"

    assert Door().asking(*paths).told == []


def test_kopf_stores_nothing_in_objects() -> None:
    kopf_settings = settings()

    assert type(kopf_settings.persistence.diffbase_storage) is NoDiffBase
    assert type(kopf_settings.persistence.progress_storage) is NoProgress
    assert not kopf_settings.posting.enabled


def test_the_end_of_kopf_is_not_the_end_of_the_process() -> None:
    assert settings().process.ultimate_exiting_timeout is None


def test_no_storage_writes_or_finds_anything() -> None:
    raw: Any = vault_secret_body()
    body, patch = kopf.Body(raw), kopf.Patch()
    diffbase: Any = NoDiffBase()
    progress: Any = NoProgress()
    essence = diffbase.build(body=body)

    diffbase.store(body=body, patch=patch, essence=essence)
    progress.store(key="k", record={}, body=body, patch=patch)
    progress.touch(body=body, patch=patch, value="now")
    progress.purge(key="k", body=body, patch=patch)

    assert not patch
    assert (essence, diffbase.fetch(body=body)) == ({}, None)
    assert progress.fetch(key="k", body=body) is None
    assert progress.clear(essence=essence) is essence


def test_the_first_list_comes_in_pages_and_is_not_streamed() -> None:
    watching = settings().watching

    assert (watching.initial_streaming, watching.chunk_size) == (False, 500)


def test_delays_between_retries_never_run_out() -> None:
    delays = Endless()

    first, again = list(islice(delays, 500)), list(islice(delays, 500))

    for pauses in (first, again):
        assert len(pauses) == 500
        assert 0.5 <= pauses[0] <= 1.0
        assert all(15.0 <= pause <= 30.0 for pause in pauses[6:])


def test_delays_are_those_that_kopf_uses() -> None:
    backoffs = settings().networking.error_backoffs

    assert isinstance(backoffs, Endless)
