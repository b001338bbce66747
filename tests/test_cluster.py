"""Every call against a server on loopback that answers what the test wants."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from traceback import format_exception
from typing import Any

import pytest
from aiohttp import web

from tests.builders import (
    CANARY,
    connection,
    secret_body,
    vault_secret,
    vault_secret_body,
)
from tests.running import run
from vaultferry import __version__
from vaultferry.apiserver.credentials import Credentials, Fixed, Unusable
from vaultferry.apiserver.server import ApiServer
from vaultferry.cluster import Cluster
from vaultferry.core.answers import Absent, Expired, Stale
from vaultferry.core.errors import (
    ApiForbidden,
    ApiRejected,
    ApiUnavailable,
    Conflict,
    Failure,
    NamespaceTerminating,
    NotLeading,
    QuotaExceeded,
)

META = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
META_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
SECRETS = "/api/v1/namespaces/team/secrets"
CONFIG_MAPS = "/api/v1/namespaces/team/configmaps"
ACCOUNT = "/api/v1/namespaces/team/serviceaccounts/reader"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/team/leases"
VAULTSECRETS = "/apis/vaultferry.dev/v1alpha1/namespaces/team/vaultsecrets"
VAULTSECRET = f"{VAULTSECRETS}/app"
VAULTCONNECTIONS = "/apis/vaultferry.dev/v1alpha1/namespaces/team/vaultconnections"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Call = Callable[[Cluster], Awaitable[Any]]


@dataclass
class Server:
    """Answers every request with one handler, and keeps what was asked."""

    handler: Handler
    port: int = 0
    asked: list[tuple[str, str, str, str, Any]] = field(default_factory=list)
    observed: list[tuple[str, str]] = field(default_factory=list)
    leading: bool = True
    credentials: Credentials = field(default_factory=lambda: Fixed("Bearer made-up"))

    async def answer(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        self.asked.append(
            (
                request.method,
                str(request.rel_url),
                request.headers["Accept"],
                request.headers["Content-Type"],
                json.loads(text) if text else None,
            )
        )
        return await self.handler(request)


@asynccontextmanager
async def serving(server: Server, host: str | None = None) -> AsyncIterator[Cluster]:
    """Serve on loopback; yield a Cluster that is connected to it, or to a host."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.port = runner.addresses[0][1]
    url = host or f"http://127.0.0.1:{server.port}"
    cluster = Cluster(
        ApiServer(url, server.credentials),
        lambda *seen: server.observed.append(seen),
        lambda: server.leading,
    )
    try:
        yield cluster
    finally:
        await cluster.close()
        await runner.cleanup()


def called(handler: Handler, call: Call, *, leading: bool = True) -> tuple[Any, Server]:
    """Return what a call returns or raises, and what the server was asked."""
    server = Server(handler, leading=leading)

    async def story() -> Any:
        async with serving(server) as cluster:
            try:
                return await call(cluster)
            except Exception as error:  # noqa: BLE001 - whatever comes is the result
                return error

    return run(story()), server


def answering(status: int = 200, body: object = None) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        del request
        return web.json_response(body or {"metadata": {}}, status=status)

    return handler


def refusing(status: int, **more: Any) -> Handler:
    """Answer with a Status whose message quotes a value, as API servers do."""
    body = {"kind": "Status", "code": status, "message": f'Invalid value: "{CANARY}"'}
    return answering(status, body | more)


async def reset(request: web.Request) -> web.StreamResponse:
    assert request.transport
    request.transport.abort()
    return web.Response()


async def cut(request: web.Request) -> web.StreamResponse:
    """Begin an answer, and break off."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"metadata": {"name": "')
    assert request.transport
    request.transport.abort()
    return response


def saying(text: str) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        del request
        return web.Response(text=text, content_type="application/json")

    return handler


def get_secret(cluster: Cluster) -> Awaitable[Any]:
    return cluster.get_secret("team", "app")


def create_secret(cluster: Cluster) -> Awaitable[Any]:
    return cluster.create_secret("team", secret_body())


# What is asked

GUARD = {"metadata": {"uid": "u"}, "status": {"version": 1}}
STATUS = {"version": 1}


def with_status(kind: str, uid: str, name: str) -> dict[str, Any]:
    """Return what replaces the status of a resource of the builders."""
    guard = {"namespace": "team", "name": name, "uid": uid, "resourceVersion": "1"}
    version = "vaultferry.dev/v1alpha1"
    return {"apiVersion": version, "kind": kind, "metadata": guard, "status": STATUS}


APP = with_status("VaultSecret", "uid-of-app", "app")
VAULT = with_status("VaultConnection", "uid-of-vault", "vault")
MANIFEST = {"apiVersion": "v1", "kind": "Secret", "data": {}}
OPERATIONS = [{"op": "add", "path": "/data", "value": {}}]
LEASE = {
    "apiVersion": "coordination.k8s.io/v1",
    "kind": "Lease",
    "metadata": {"name": "vaultferry", "namespace": "team"},
}
JSON, APPLY = "application/json", "application/apply-patch+yaml"
MERGE_PATCH, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"

TOKEN_REQUEST = {
    "apiVersion": "authentication.k8s.io/v1",
    "kind": "TokenRequest",
    "spec": {"audiences": ["vaultferry.dev/infisical"], "expirationSeconds": 600},
}

CALLS: dict[str, tuple[Call, tuple[str, str, str, str, Any]]] = {
    "get a VaultSecret": (
        lambda c: c.get_vaultsecret("team", "app"),
        ("GET", VAULTSECRET, JSON, JSON, None),
    ),
    "replace a status": (
        lambda c: c.update_status(vault_secret(), STATUS),
        ("PUT", f"{VAULTSECRET}/status", META, JSON, APP),
    ),
    "replace a connection's status": (
        lambda c: c.update_connection_status(connection(), STATUS),
        ("PUT", f"{VAULTCONNECTIONS}/vault/status", META, JSON, VAULT),
    ),
    "patch a VaultSecret": (
        lambda c: c.patch_vaultsecret("team", "app", "vaultferry-rotate", GUARD),
        (
            "PATCH",
            f"{VAULTSECRET}?fieldManager=vaultferry-rotate",
            META,
            MERGE_PATCH,
            GUARD,
        ),
    ),
    "JSON-patch a VaultSecret": (
        lambda c: c.patch_vaultsecret("team", "app", "vaultferry", [{"op": "test"}]),
        (
            "PATCH",
            f"{VAULTSECRET}?fieldManager=vaultferry",
            META,
            "application/json-patch+json",
            [{"op": "test"}],
        ),
    ),
    "create a VaultSecret": (
        lambda c: c.create_vaultsecret("team", "vaultferry", GUARD),
        (
            "POST",
            f"{VAULTSECRETS}?fieldManager=vaultferry&fieldValidation=Strict",
            META,
            JSON,
            GUARD,
        ),
    ),
    "delete a VaultSecret": (
        lambda c: c.delete_vaultsecret("team", "app"),
        ("DELETE", VAULTSECRET, JSON, JSON, None),
    ),
    "get a Secret": (get_secret, ("GET", f"{SECRETS}/app", JSON, JSON, None)),
    "create a Secret": (create_secret, ("POST", SECRETS, META, JSON, secret_body())),
    "patch a Secret": (
        lambda c: c.patch_secret("team", "app", OPERATIONS),
        ("PATCH", f"{SECRETS}/app", META, JSON_PATCH, OPERATIONS),
    ),
    "apply a Secret": (
        lambda c: c.apply_secret("team", "app", "vaultferry-1", MANIFEST),
        (
            "PATCH",
            f"{SECRETS}/app?fieldManager=vaultferry-1&force=false",
            META,
            APPLY,
            MANIFEST,
        ),
    ),
    "post an event": (
        lambda c: c.create_event("team", {"reason": "Conflict"}),
        (
            "POST",
            "/apis/events.k8s.io/v1/namespaces/team/events",
            JSON,
            JSON,
            {"reason": "Conflict"},
        ),
    ),
    "get a ServiceAccount": (
        lambda c: c.get_service_account("team", "reader"),
        ("GET", ACCOUNT, META, JSON, None),
    ),
    "ask for a token": (
        lambda c: c.create_token("team", "reader", "vaultferry.dev/infisical"),
        ("POST", f"{ACCOUNT}/token", JSON, JSON, TOKEN_REQUEST),
    ),
    "get a ConfigMap": (
        lambda c: c.get_config_map("team", "keys"),
        ("GET", f"{CONFIG_MAPS}/keys", JSON, JSON, None),
    ),
    "patch a ConfigMap": (
        lambda c: c.patch_config_map("team", "keys", OPERATIONS),
        ("PATCH", f"{CONFIG_MAPS}/keys", META, JSON_PATCH, OPERATIONS),
    ),
    "get the Lease": (
        lambda c: c.get_lease("team"),
        ("GET", f"{LEASES}/vaultferry", JSON, JSON, None),
    ),
    "create the Lease": (
        lambda c: c.create_lease("team", {"holderIdentity": "us"}),
        ("POST", LEASES, JSON, JSON, LEASE | {"spec": {"holderIdentity": "us"}}),
    ),
    "replace the Lease": (
        lambda c: c.update_lease("team", LEASE),
        ("PUT", f"{LEASES}/vaultferry", JSON, JSON, LEASE),
    ),
    "see whether our kinds are served": (
        lambda c: c.check_served(),
        ("GET", "/apis/vaultferry.dev/v1alpha1", JSON, JSON, None),
    ),
}


@pytest.mark.parametrize(("call", "asked"), CALLS.values(), ids=CALLS)
def test_a_call_asks_for_no_more_than_it_needs(
    call: Call, asked: tuple[str, str, str, str, Any]
) -> None:
    result, server = called(answering(), call)

    assert server.asked == [asked]
    assert server.observed == [(asked[0], "200")]
    assert result in ({"metadata": {}}, None)


@pytest.mark.parametrize(("call", "asked"), CALLS.values(), ids=CALLS)
def test_without_the_lease_nothing_is_written_but_the_lease(
    call: Call, asked: tuple[str, str, str, str, Any]
) -> None:
    result, server = called(answering(), call, leading=False)

    may_be_sent = asked[0] == "GET" or asked[1].startswith(LEASES)
    assert server.asked == ([asked] if may_be_sent else [])
    assert isinstance(result, NotLeading) is not may_be_sent


def test_a_call_shows_who_we_are() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response({"authorization": request.headers["Authorization"]})

    result, _ = called(handler, get_secret)

    assert result == {"authorization": "Bearer made-up"}


class Changing:
    """Credentials that are others at each call, and know which were refused."""

    def __init__(self) -> None:
        self.count = 0
        self.refusals: list[str | None] = []

    async def authorization(self) -> str | None:
        self.count += 1
        return None if self.count == 1 else f"Bearer {self.count}"

    def refused(self, authorization: str | None) -> None:
        self.refusals.append(authorization)


@pytest.mark.parametrize(("status", "refusals"), [(401, [None, "Bearer 2"]), (403, [])])
def test_credentials_are_asked_for_at_each_call_and_told_that_they_are_refused(
    status: int, refusals: list[str | None]
) -> None:
    credentials = Changing()
    shown: list[str | None] = []

    async def handler(request: web.Request) -> web.Response:
        shown.append(request.headers.get("Authorization"))
        return web.Response(status=status)

    async def story() -> None:
        async with serving(Server(handler, credentials=credentials)) as cluster:
            for _ in range(2):
                with suppress(Failure):
                    await get_secret(cluster)

    run(story())
    assert shown == [None, "Bearer 2"]
    assert credentials.refusals == refusals


def test_without_credentials_nothing_is_asked_and_the_api_is_unavailable() -> None:
    class Broken(Fixed):
        async def authorization(self) -> str | None:
            raise Unusable(CANARY)

    server = Server(answering(), credentials=Broken())

    async def story() -> None:
        async with serving(server) as cluster:
            await get_secret(cluster)

    with pytest.raises(ApiUnavailable) as caught:
        run(story())
    assert server.asked == []
    assert server.observed == [("GET", "none")]
    assert CANARY not in "".join(format_exception(caught.value))


def test_a_call_tells_what_program_it_is() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response({"agent": request.headers["User-Agent"]})

    result, _ = called(handler, get_secret)

    assert result == {"agent": f"Vaultferry/{__version__}"}


def test_a_name_cannot_leave_its_place_in_the_path() -> None:
    _, server = called(answering(), lambda c: c.get_secret("team", "a?b#c"))

    assert server.asked[0][1] == f"{SECRETS}/a%3Fb%23c"


# What the answers mean

CAUSES = {"causes": [{"reason": "NamespaceTerminating", "message": CANARY}]}
THEIRS = {"causes": [{"reason": "FieldManagerConflict", "message": CANARY}]}
QUOTA = {"message": f"secrets is forbidden: exceeded quota: {CANARY}"}
FORBIDDEN = {"reason": "Forbidden", "details": None}

ANSWERS: dict[str, tuple[Handler, type[Exception]]] = {
    "400": (refusing(400), ApiRejected),
    "401": (refusing(401), ApiForbidden),
    "403": (refusing(403), ApiForbidden),
    "403 without details": (refusing(403, **FORBIDDEN), ApiForbidden),
    "403 in a namespace that is going": (
        refusing(403, details=CAUSES),
        NamespaceTerminating,
    ),
    "403 over quota": (refusing(403, **QUOTA), QuotaExceeded),
    "404": (refusing(404), Absent),
    "408": (refusing(408), ApiUnavailable),
    "409": (refusing(409), Stale),
    "409 for fields of others": (refusing(409, details=THEIRS), Conflict),
    "409 without details": (refusing(409, details=None), Stale),
    "410": (refusing(410), Expired),
    "413": (refusing(413), ApiRejected),
    "415": (refusing(415), ApiForbidden),
    "422": (refusing(422), ApiRejected),
    "429": (refusing(429), ApiUnavailable),
    "500": (refusing(500), ApiUnavailable),
    "503": (refusing(503), ApiUnavailable),
    "504": (refusing(504), ApiUnavailable),
    "a reset": (reset, ApiUnavailable),
    "half an answer": (cut, ApiUnavailable),
    "no JSON": (saying(f"<html>{CANARY}</html>"), ApiUnavailable),
    "no object": (saying(f'["{CANARY}"]'), ApiUnavailable),
    "nothing": (saying(""), ApiUnavailable),
}


@pytest.mark.parametrize(("handler", "error"), ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("call", [get_secret, create_secret])
def test_an_answer_means_an_error_that_quotes_nothing(
    handler: Handler, error: type[Exception], call: Call
) -> None:
    result, _ = called(handler, call)

    assert type(result) is error
    shown = f"{result!r} {result.args} {''.join(format_exception(result))}"
    assert CANARY not in shown
    assert result.__suppress_context__ or result.__context__ is None


@pytest.mark.parametrize("text", ["<html>", '["exceeded quota"]', ""])
def test_a_refusal_without_a_status_object_is_a_refusal(text: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        del request
        return web.Response(status=403, text=text)

    assert type(called(handler, get_secret)[0]) is ApiForbidden


def test_an_outage_has_the_same_words_whatever_its_symptoms() -> None:
    results = {
        str(called(h, get_secret)[0]) for h in (refusing(503), refusing(429), reset)
    }

    assert len(results) == 1


@pytest.mark.parametrize(("status", "retry"), [(403, True), (422, False)])
def test_a_failure_tells_the_status(status: int, *, retry: bool) -> None:
    result, _ = called(refusing(status), get_secret)

    assert isinstance(result, Failure)
    assert (f"HTTP {status}" in str(result), result.retry) == (True, retry)


@pytest.mark.parametrize(
    ("handler", "seen"),
    [(refusing(503), "503"), (reset, "none")],
    ids=["an error", "no answer"],
)
def test_every_call_is_observed_once(handler: Handler, seen: str) -> None:
    _, server = called(handler, get_secret)

    assert server.observed == [("GET", seen)]


def test_where_nothing_listens_the_api_is_unavailable() -> None:
    async def story() -> None:
        cluster = Cluster(
            ApiServer("http://127.0.0.1:9"), lambda *_: None, lambda: True
        )
        try:
            await get_secret(cluster)
        finally:
            await cluster.close()

    with pytest.raises(ApiUnavailable, match="does not answer"):
        run(story())


def test_a_call_that_is_cancelled_ends_as_cancelled() -> None:
    async def silent(_: web.Request) -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    async def story() -> bool:
        async with serving(Server(silent)) as cluster:
            task = asyncio.ensure_future(get_secret(cluster))
            await asyncio.sleep(0.05)
            task.cancel()
            await asyncio.wait([task])
            return task.cancelled()

    assert run(story())


# Lists and watches


async def listed(cluster: Cluster) -> list[Any]:
    return [page async for page in cluster.list_secrets(None)]


def test_a_list_without_a_version_is_no_list() -> None:
    result, _ = called(saying("{}"), listed)

    assert isinstance(result, ApiUnavailable)


async def watched(cluster: Cluster) -> list[Any]:
    return [event async for event in cluster.watch_secrets(None, "7", 60)]


async def watched_until_it_breaks(cluster: Cluster) -> list[Any]:
    events: list[Any] = []
    try:
        async for event in cluster.watch_secrets(None, "7", 60):
            events.append(event)  # noqa: PERF401 - those before the error count
    except Failure as failure:
        events.append(failure)
    return events


def streaming(*lines: str, broken: bool = False) -> Handler:
    """Answer a watch with lines, and end it, or break off."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for line in lines:
            await response.write(line.encode())
        if broken:
            assert request.transport
            await asyncio.sleep(0.05)
            request.transport.abort()
        return response

    return handler


def line(kind: str, body: object) -> str:
    return json.dumps({"type": kind, "object": body}) + "\n"


ONE, TWO = secret_body(name="one"), secret_body(name="two")


def test_a_list_comes_in_pages_of_metadata() -> None:
    async def handler(request: web.Request) -> web.Response:
        first = "continue" not in request.query
        metadata = {"resourceVersion": "9", "continue": "next/page" if first else ""}
        items = [ONE if first else TWO]
        return web.json_response({"metadata": metadata, "items": items})

    result, server = called(handler, listed)

    assert result == [([ONE], "9"), ([TWO], "9")]
    query = "/api/v1/secrets?limit=500&fieldSelector=type!%3Dhelm.sh/release.v1"
    assert [asked[1] for asked in server.asked] == [
        query,
        f"{query}&continue=next/page",
    ]
    assert {asked[2] for asked in server.asked} == {META_LIST}


def test_whole_resources_come_in_small_pages() -> None:
    async def whole(cluster: Cluster) -> Any:
        return [page async for page in cluster.list_whole_vaultsecrets(None)]

    _, server = called(answering(body={"metadata": {"resourceVersion": "9"}}), whole)

    [(_, path, accept, *_)] = server.asked
    assert (path.partition("?")[2], accept) == ("limit=100", JSON)


WITHIN: dict[str, tuple[Callable[[Cluster, str | None], Any], str, str]] = {
    "Secrets listed": (
        lambda c, namespace: c.list_secrets(namespace),
        "/api/v1/secrets?",
        f"{SECRETS}?",
    ),
    "Secrets watched": (
        lambda c, namespace: c.watch_secrets(namespace, "7", 60),
        "/api/v1/secrets?",
        f"{SECRETS}?",
    ),
    "VaultSecrets listed": (
        lambda c, namespace: c.list_vaultsecrets(namespace),
        "/apis/vaultferry.dev/v1alpha1/vaultsecrets?",
        VAULTSECRET.removesuffix("/app") + "?",
    ),
    "VaultSecrets listed whole": (
        lambda c, namespace: c.list_whole_vaultsecrets(namespace),
        "/apis/vaultferry.dev/v1alpha1/vaultsecrets?limit=100",
        VAULTSECRET.removesuffix("/app") + "?limit=100",
    ),
}


@pytest.mark.parametrize(("call", "all_of_them", "one"), WITHIN.values(), ids=WITHIN)
def test_what_is_listed_and_watched_is_that_of_a_namespace_or_of_all(
    call: Callable[[Cluster, str | None], Any], all_of_them: str, one: str
) -> None:
    handler = answering(body={"metadata": {"resourceVersion": "9"}, "items": []})
    for namespace, path in ((None, all_of_them), ("team", one)):

        async def every(c: Cluster, within: str | None = namespace) -> list[Any]:
            return [each async for each in call(c, within)]

        _, server = called(handler, every)

        assert [asked[1].startswith(path) for asked in server.asked] == [True]


def test_an_empty_list_has_a_version_all_the_same() -> None:
    handler = answering(body={"metadata": {"resourceVersion": "9"}, "items": None})

    assert called(handler, listed)[0] == [([], "9")]


def test_a_list_that_took_too_long_has_expired() -> None:
    assert type(called(refusing(410), listed)[0]) is Expired


def test_a_watch_tells_what_changes_and_asks_for_metadata() -> None:
    bookmark = {"metadata": {"resourceVersion": "9"}}
    lines = [line("ADDED", secret_body()), line("BOOKMARK", bookmark)]

    result, server = called(streaming(*lines), watched)

    assert result == [("ADDED", secret_body()), ("BOOKMARK", bookmark)]
    (asked,) = server.asked
    assert asked[2] == META
    wanted = ["watch=true", "allowWatchBookmarks=true", "resourceVersion=7"]
    assert all(part in asked[1] for part in [*wanted, "timeoutSeconds=60"])


def test_a_watch_takes_an_object_as_large_as_they_come() -> None:
    large = secret_body(annotations={"note": "x" * 1_500_000})

    result, _ = called(streaming(line("ADDED", large)), watched)

    assert result == [("ADDED", large)]


ENDS: dict[str, tuple[Handler, type[Exception]]] = {
    "refused": (refusing(403), ApiForbidden),
    "too old": (refusing(410), Expired),
    "too old, told later": (streaming(line("ERROR", {"code": 410})), Expired),
    "failing, told later": (streaming(line("ERROR", {"code": 500})), ApiUnavailable),
    "failing for no reason": (streaming(line("ERROR", {})), ApiUnavailable),
    "a truncated line": (streaming(f'{{"type": "{CANARY}'), ApiUnavailable),
    "no JSON": (streaming(f"<html>{CANARY}\n"), ApiUnavailable),
    "no event": (streaming(f'"{CANARY}"\n'), ApiUnavailable),
    "an error that is none": (streaming(line("ERROR", CANARY)), ApiUnavailable),
    "no object": (streaming(f'{{"type": "{CANARY}"}}\n'), ApiUnavailable),
    "a reset": (reset, ApiUnavailable),
}


@pytest.mark.parametrize(("handler", "error"), ENDS.values(), ids=ENDS)
def test_a_watch_that_fails_says_how_and_quotes_nothing(
    handler: Handler, error: type[Exception]
) -> None:
    result, _ = called(handler, watched)

    assert type(result) is error
    assert CANARY not in "".join(format_exception(result))


def test_a_watch_that_breaks_off_is_unavailable_after_what_it_told() -> None:
    handler = streaming(line("ADDED", vault_secret_body()), broken=True)

    first, last = called(handler, watched_until_it_breaks)[0]

    assert first[0] == "ADDED"
    assert isinstance(last, ApiUnavailable)


@pytest.mark.parametrize(
    "words", [[], [secret_body()]], ids=["from the first", "later"]
)
def test_a_watch_that_goes_silent_ends(
    monkeypatch: pytest.MonkeyPatch, words: list[Any]
) -> None:
    monkeypatch.setattr(
        "vaultferry.cluster._FIRST_WORD_SECONDS", 0.3 if not words else 9
    )
    monkeypatch.setattr("vaultferry.cluster._SILENCE_SECONDS", 0.3 if words else 9)

    async def silent(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for word in words:
            await response.write(line("ADDED", word).encode())
        await asyncio.sleep(5)
        return response

    async def told(cluster: Cluster) -> list[Any]:
        async with asyncio.timeout(3):
            return await watched(cluster)

    assert called(silent, told)[0] == [("ADDED", word) for word in words]


# How it is reached


@pytest.mark.parametrize("spared", ["", "127.0.0.2"])
def test_a_proxy_of_the_environment_carries_the_calls_unless_the_host_is_spared(
    monkeypatch: pytest.MonkeyPatch, spared: str
) -> None:
    server = Server(answering(body=secret_body()))
    monkeypatch.setenv("no_proxy", spared)

    async def story() -> Any:
        async with serving(server):
            monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.port}")
            async with serving(Server(answering()), "http://127.0.0.2:1") as cluster:
                with suppress(ApiUnavailable):
                    await get_secret(cluster)

    run(story())
    assert len(server.asked) == (0 if spared else 1)


def test_a_call_needs_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(asyncio, "to_thread", refused)

    result, _ = called(answering(body=secret_body()), get_secret)

    assert result == secret_body()
