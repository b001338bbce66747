"""What is read from Infisical, and what its answers mean."""

import json
from collections.abc import Awaitable, Callable
from traceback import format_exception
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.builders import connection_body
from tests.providers.infisical import NO_ROUTE, Shop, settings_of, shop
from tests.running import run
from tests.vaults.faults import Fault, bad_gateway, too_many, truncated
from tests.vaults.infisical_shop import PROJECT
from tests.vaults.infisical_state import Import, Project
from vaultferry.admission import refused
from vaultferry.core import access
from vaultferry.core.document import Document
from vaultferry.core.errors import (
    Failure,
    PlaceForbidden,
    PlaceMissing,
    RateLimited,
    ReferenceInvalid,
    Unreachable,
)
from vaultferry.core.vaultconnection import Access
from vaultferry.providers.infisical import PROVIDER

CANARY = "canary-of-infisical-77ab"
V4, V3 = "/api/v4/secrets", "/api/v3/secrets/raw"
HOUR = 3600.0
# JSON can hold half of a character, UTF-8 cannot.
HALF = '{"id":"\\ud800","secrets":[{"secretKey":"A","secretValue":"\\ud800"}]}'


def within(story: Callable[[Shop], Awaitable[None]]) -> None:
    """Run a story at a server."""

    async def told() -> None:
        async with shop() as there:
            await story(there)

    run(told())


async def failure(asked: Awaitable[object]) -> Failure:
    """Return what a call fails with."""
    with pytest.raises(Failure) as caught:
        await asked
    return caught.value


def switches(target: str) -> dict[str, str]:
    """Return what was asked for, without where."""
    query = parse_qs(urlsplit(target).query)
    return {name: each[0] for name, each in query.items()}


def no_version_4(**more: Any) -> Fault:
    return Fault(path="/api/v4", status=404, body=NO_ROUTE, **more)


def listing(*secrets: dict[str, Any], imported: bool = False) -> str:
    """Return a list as it might be answered."""
    entry = {"environment": "dev", "secretPath": "/x", "secrets": list(secrets)}
    if imported:
        return json.dumps({"secrets": [], "imports": [entry]})
    return json.dumps({"secrets": list(secrets), "imports": []})


def test_values_are_exactly_those_that_are_stored() -> None:
    async def story(there: Shop) -> None:
        found = (await there.session().fetch("/", None)).values

        assert found["EMPTY"] == b""
        assert found["PADDED"] == b"padded"
        assert found["LINES"] == b"abc\n"
        assert found["UNICODE"] == "žluťoučký 🐎 日本".encode()
        assert found["LOCAL"] == b"http://padded:5432/made-up-1"
        assert found["FAR"] == b"made-up-2"
        assert set(found) == set(there.project.environments["dev"]["/"].secrets)

    within(story)


def test_a_folder_is_one_call_with_every_switch() -> None:
    async def story(there: Shop) -> None:
        await there.session().fetch("/app/db", None)

        [target] = there.targets()
        assert target.startswith(V4 + "?")
        assert switches(target) == {
            "projectId": PROJECT,
            "environment": "dev",
            "secretPath": "/app/db",
            "expandSecretReferences": "true",
            "includeImports": "true",
            "include_imports": "true",
            "recursive": "false",
            "viewSecretValue": "true",
            "includePersonalOverrides": "false",
        }

    within(story)


def test_the_id_of_a_slug_is_asked_for_once() -> None:
    async def story(there: Shop) -> None:
        session = there.session(projectId=None, projectSlug="shop")

        for _ in range(2):
            assert (await session.fetch("/app/db", None)).values == {
                "PASS": b"made-up-1"
            }

        assert there.asked("/api/v1/projects/slug/shop") == [200]
        assert there.asked(V4) == [200, 200]

    within(story)


def test_another_project_that_has_the_slug_now_is_found() -> None:
    async def story(there: Shop) -> None:
        session = there.session(projectId=None, projectSlug="shop")
        await session.fetch("/app/db", None)
        folders = there.project.environments
        there.state.projects["shop"] = Project(id="another", environments=folders)

        assert isinstance(await failure(session.fetch("/app/db", None)), PlaceMissing)

        assert (await session.fetch("/app/db", None)).values == {"PASS": b"made-up-1"}

    within(story)


@pytest.mark.parametrize(
    ("slug", "name", "kind"),
    [("none-such", "all", PlaceMissing), ("other", "all", PlaceForbidden)],
    ids=["absent", "of others"],
)
def test_a_slug_without_a_project_for_us_is_the_fault_of_the_place(
    slug: str, name: str, kind: type[Failure]
) -> None:
    async def story(there: Shop) -> None:
        session = there.session(name, projectId=None, projectSlug=slug)

        assert type(await failure(session.fetch("/", None))) is kind

    within(story)


@pytest.mark.parametrize("is_old", [False, True], ids=["version 4", "version 3"])
def test_imports_are_merged_as_the_server_itself_does(*, is_old: bool) -> None:
    async def story(there: Shop) -> None:
        there.server.faults = [no_version_4()] if is_old else []
        document = await there.session().fetch("/importing", None)

        assert document.values == {
            "DUP": b"own",
            "SH1": b"second",
            "REF": b"ref-first" if is_old else b"ref-second",
            "DEEP": b"n2",
            "DEEPER": b"n3",
        }
        # What an import imports itself stands in the entry of that import.
        assert document.origins == {
            "SH1": "prod:/later/SH1",
            "REF": "/shared/REF",
            "DEEP": "/n1/DEEP",
            "DEEPER": "/n1/DEEPER",
        }

    within(story)


def test_what_an_import_imports_from_another_environment_is_not_of_this_one() -> None:
    async def story(there: Shop) -> None:
        inner = Import(environment="prod", path="/app")
        there.project.environments["dev"]["/n1"].imports = [inner]
        origins = (await there.session().fetch("/importing", None)).origins

        assert not access.covers(Access(keys=["/**"]), origins["KEY"])
        assert access.covers(Access(keys=["/**"]), origins["REF"])

    within(story)


def test_what_is_unchanged_is_the_document_that_is_known() -> None:
    async def story(there: Shop) -> None:
        session = there.session()
        known = await session.fetch("/app/db", None)

        assert await session.fetch("/app/db", known) is known
        there.project.put("dev", "/app/db", "PASS", "changed")
        changed = await session.fetch("/app/db", known)

        assert there.asked(V4) == [200, 304, 200]
        assert changed.values == {"PASS": b"changed"}

    within(story)


def test_a_document_without_a_tag_is_asked_for_as_a_whole() -> None:
    async def story(there: Shop) -> None:
        body = listing({"secretKey": "A", "secretValue": "1"})
        there.server.faults = [Fault(path=V4, status=200, body=body, times=1)]
        session = there.session()
        known = await session.fetch("/", None)

        assert await session.fetch("/", known) is not known
        assert await session.fetch("/", Document({}, "of another")) is not known
        assert there.asked(V4) == [200, 200, 200]

        there.server.faults = [Fault(path=V4, status=304)]
        assert type(await failure(session.fetch("/", known))) is Unreachable

    within(story)


def test_a_right_that_was_taken_away_is_noticed_within_an_hour() -> None:
    async def story(there: Shop) -> None:
        there.state.remembered_seconds = 10
        session = there.session("dev")
        known = await session.fetch("/app/db", None)
        there.allow("dev")
        assert await session.fetch("/app/db", known) is known
        there.pass_time(HOUR / 2)
        # As on the real one: who asked while the right was believed is told 304 on.
        assert await session.fetch("/app/db", known) is known

        there.pass_time(HOUR / 2)
        assert type(await failure(session.fetch("/app/db", known))) is PlaceForbidden

    within(story)


@pytest.mark.parametrize(
    ("name", "settings", "place", "kind"),
    [
        ("all", {}, "/none/such", PlaceMissing),
        ("all", {"environment": "none-such"}, "/", PlaceMissing),
        ("all", {"projectId": "none-such"}, "/", PlaceMissing),
        ("all", {"projectId": "99999999-2222-3333-4444-555555555555"}, "/", None),
        ("none", {}, "/", None),
        ("blind", {}, "/", None),
        ("dev", {}, "/referring", None),
    ],
    ids=[
        "no such folder",
        "no such environment",
        "no such project",
        "not a member",
        "no right at all",
        "no right to the values",
        "no right to what is referred to",
    ],
)
@pytest.mark.parametrize("is_old", [False, True], ids=["version 4", "version 3"])
def test_a_place_that_is_not_there_is_told_from_one_that_is_forbidden(
    *,
    name: str,
    settings: dict[str, str],
    place: str,
    kind: type[Failure] | None,
    is_old: bool,
) -> None:
    async def story(there: Shop) -> None:
        there.server.faults = [no_version_4()] if is_old else []
        session = there.session(name, **settings)

        found = await failure(session.fetch(place, None))

        assert type(found) is (kind or PlaceForbidden)
        # None of these is a reason to log in again.
        assert len(there.asked("/api/v1/auth")) == 1

    within(story)


def test_a_folder_without_rights_looks_empty_and_so_it_is_returned() -> None:
    async def story(there: Shop) -> None:
        assert (await there.session("app").fetch("/shared", None)).values == {}
        assert (await there.session("app").fetch("/app/db", None)).values != {}

    within(story)


@pytest.mark.parametrize("imported", [False, True], ids=["own", "imported"])
@pytest.mark.parametrize(
    "hidden",
    [
        {"secretValue": "<hidden-by-infisical>"},
        {"secretValue": "", "secretValueHidden": True},
        {"secretValue": None},
        {},
    ],
    ids=["by a text", "by a flag", "by null", "by absence"],
)
def test_a_value_that_is_hidden_is_none(
    hidden: dict[str, Any], *, imported: bool
) -> None:
    async def story(there: Shop) -> None:
        shown = {"secretKey": "A", "secretValue": "1"}
        body = listing(shown, {"secretKey": "B"} | hidden, imported=imported)
        there.server.faults = [Fault(path=V4, status=200, body=body)]

        found = await failure(there.session().fetch("/", None))

        assert type(found) is PlaceForbidden

    within(story)


@pytest.mark.parametrize(
    ("fault", "detail"),
    [
        (bad_gateway(), "http-502"),
        (Fault(status=500, body='{"reqId":"r","error":"Find one"}'), "http-500"),
        (Fault(status=404, body="<html>"), "http-404"),
        (Fault(status=404, body='["error"]'), "http-404"),
        (Fault(status=403, body="<html>"), "http-403"),
        (Fault(status=304), "http-304"),
        (truncated(), "no-list-or-project"),
        (Fault(status=200, body='{"secrets": {}}'), "no-list-or-project"),
        (Fault(status=200, body=listing({"secretValue": "x"})), "no-list-or-project"),
        (Fault(status=200, body=HALF), "no-list-or-project"),
        (Fault(reset=True), "reset"),
        (Fault(status=200, size=9 * 1024 * 1024), "too-large"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("is_slug", [False, True], ids=["list", "project"])
def test_what_no_infisical_answers_is_the_fault_of_the_connection(
    fault: Fault, detail: str, *, is_slug: bool
) -> None:
    async def story(there: Shop) -> None:
        path = "/api/v1/projects" if is_slug else V4
        there.server.faults = [fault.model_copy(update={"path": path})]
        slug: dict[str, Any] = {"projectId": None, "projectSlug": "shop"}
        by = slug if is_slug else {}

        found = await failure(there.session(**by).fetch("/", None))

        assert type(found) is Unreachable
        assert found.detail == detail

    within(story)


def test_a_limit_is_kept_to_for_as_long_as_the_vault_says() -> None:
    async def story(there: Shop) -> None:
        there.server.faults = [too_many(path=V4, retry_after=17)]

        found = await failure(there.session().fetch("/", None))

        assert isinstance(found, RateLimited)
        assert found.wait == 17

    within(story)


@pytest.mark.parametrize(
    ("by", "query"),
    [
        ({}, {"workspaceId": PROJECT}),
        ({"projectId": None, "projectSlug": "shop"}, {"workspaceSlug": "shop"}),
    ],
    ids=["id", "slug"],
)
def test_a_server_without_version_4_is_asked_by_version_3_from_then_on(
    by: dict[str, Any], query: dict[str, str]
) -> None:
    async def story(there: Shop) -> None:
        projects = Fault(path="/api/v1/projects", status=404, body=NO_ROUTE)
        there.server.faults = [no_version_4(), projects]
        session = there.session(**by)
        known = await session.fetch("/app/db", None)
        assert await session.fetch("/app/db", known) is known

        assert known.values == {"PASS": b"made-up-1"}
        assert there.asked()[1:] == [404, 200, 304]
        assert switches(there.targets()[-1]) == query | {
            "environment": "dev",
            "secretPath": "/app/db",
            "expandSecretReferences": "true",
            "includeImports": "true",
            "include_imports": "true",
            "includePersonalOverrides": "false",
            "recursive": "false",
            "viewSecretValue": "true",
        }

    within(story)


def placed(reference: str, version: int) -> str:
    """Return the place of a secret in one version."""
    assert PROVIDER.versioned is not None
    return PROVIDER.versioned(settings_of(), reference, version).place


@pytest.mark.parametrize("faults", [[], [no_version_4()]], ids=["v4", "v3"])
@pytest.mark.parametrize(
    ("reference", "at"),
    [("/app/db/PASS", "/app/db"), ("/app/db/a b?ž", "/app/db"), ("TOP", "/")],
)
def test_an_older_version_stays_what_it_was(
    reference: str, at: str, faults: list[Fault]
) -> None:
    async def story(there: Shop) -> None:
        there.server.faults = faults
        name, session = reference.rpartition("/")[2], there.session()
        for value in ("one", "two"):
            there.project.put("dev", at, name, value)
        newest = (await session.fetch(at, None)).values[name]
        secrets = there.project.environments["dev"][at].secrets
        place = placed(reference, secrets[name].version - 1)
        known = await session.fetch(place, None)

        assert (newest, known.values) == (b"two", {name: b"one"})
        assert await session.fetch(place, known) is known
        there.project.put("dev", at, name, "three")
        assert (await session.fetch(place, known)).values == {name: b"one"}

    within(story)


def test_a_version_that_never_was_is_missing() -> None:
    async def story(there: Shop) -> None:
        session = there.session()

        for version in (7, 2**31 - 1):
            with pytest.raises(PlaceMissing, match="or version of a secret"):
                await session.fetch(placed("/app/db/PASS", version), None)

    within(story)


def test_a_version_is_judged_like_its_secret_and_has_a_call_of_its_own() -> None:
    assert PROVIDER.versioned is not None
    newest = PROVIDER.find(settings_of(), "/app//db/PASS")
    older = PROVIDER.versioned(settings_of(), "/app//db/PASS", 3)

    assert (older.canonical, older.key) == (newest.canonical, newest.key)
    assert older.place == "3@/app/db/PASS"
    with pytest.raises(ReferenceInvalid):
        PROVIDER.versioned(settings_of(), "/app/..", 3)


def test_a_server_that_has_neither_version_is_asked_by_both_each_time() -> None:
    async def story(there: Shop) -> None:
        no_3 = Fault(path=V3, status=404, body=NO_ROUTE, times=2)
        there.server.faults = [no_version_4(times=2), no_3]
        session = there.session()
        for _ in range(2):
            found = await failure(session.fetch("/app/db", None))
            assert isinstance(found, Unreachable)
            assert found.detail == "http-404"

        assert (await session.fetch("/app/db", None)).values == {"PASS": b"made-up-1"}
        assert there.asked(V4) == [404, 404, 200]

    within(story)


def test_no_value_and_nothing_that_the_vault_says_is_in_a_failure() -> None:
    said = json.dumps({"reqId": CANARY, "error": CANARY, "message": CANARY})
    value = {"secretKey": CANARY, "secretValue": CANARY, "environment": 1}
    faults = [
        Fault(path=V4, status=status, body=said, headers={"x": CANARY})
        for status in (400, 401, 403, 404, 422, 429, 500)
    ]
    faults += [Fault(path=V4, status=200, body=b) for b in (said, listing(value))]

    async def story(there: Shop) -> None:
        for fault in faults:
            there.server.faults = [fault]
            found = await failure(there.session().fetch("/", None))
            shown = "".join(format_exception(found))
            assert CANARY not in shown + repr(found) + str(vars(found))
            assert found.__cause__ is found.__context__ is None

    within(story)


def test_neither_a_document_nor_a_session_shows_what_it_holds() -> None:
    async def story(there: Shop) -> None:
        there.project.put("dev", "/app/db", "PASS", CANARY)
        session = there.session()
        document = await session.fetch("/app/db", None)

        assert document.values["PASS"] == CANARY.encode()
        shown = repr(document) + repr(session) + str(vars(session))
        assert CANARY not in shown
        assert "made-up-secret" not in shown

    within(story)


@pytest.mark.parametrize(
    ("reference", "place", "key", "canonical"),
    [
        ("DB_PASSWORD", "/app", "DB_PASSWORD", "/app/DB_PASSWORD"),
        ("/DB_PASSWORD", "/", "DB_PASSWORD", "/DB_PASSWORD"),
        ("/app/db/PASS", "/app/db", "PASS", "/app/db/PASS"),
        ("//app//db/PASS", "/app/db", "PASS", "/app/db/PASS"),
        ("a b=c.d-é", "/app", "a b=c.d-é", "/app/a b=c.d-é"),
        ("/1/2", "/1", "2", "/1/2"),
    ],
)
def test_a_reference_is_a_name_or_one_with_its_folder(
    reference: str, place: str, key: str, canonical: str
) -> None:
    wanted = PROVIDER.find(settings_of(path="/app/"), reference)

    assert (wanted.place, wanted.key, wanted.canonical) == (place, key, canonical)
    assert PROVIDER.canonical(settings_of(), place, key) == canonical
    again = PROVIDER.find(settings_of(), canonical)
    assert again == wanted


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "/",
        "/app/",
        "app/PASS",
        "../PASS",
        "/app/../PASS",
        "/app/./PASS",
        "op://vault/item/field",
        "prod:/app/KEY",
        "prod:KEY",
        " PASS",
        "PASS\n",
        "/a\tb/PASS",
        "a" * 254,
    ],
)
def test_what_is_no_reference_is_refused_with_what_to_write(reference: str) -> None:
    with pytest.raises(ReferenceInvalid, match="such as"):
        PROVIDER.find(settings_of(), reference)


def test_a_place_is_a_folder_from_the_root() -> None:
    settings = settings_of(path="/app/")

    assert PROVIDER.whole(settings, "") == "/app"
    assert PROVIDER.whole(settings, "/") == "/"
    assert PROVIDER.whole(settings, "/app//db/") == "/app/db"
    for path in ("app", "/app/..", "/a\nb"):
        with pytest.raises(ReferenceInvalid, match="from the root"):
            PROVIDER.whole(settings, path)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({}, ""),
        ({"projectId": None, "projectSlug": "shop"}, ""),
        ({"projectSlug": "shop"}, "write projectId or projectSlug"),
        ({"projectId": None}, "write projectId or projectSlug"),
    ],
    ids=["id", "slug", "both", "neither"],
)
def test_a_connection_names_its_project_in_one_way(
    change: dict[str, Any], complaint: str
) -> None:
    settings = settings_of().model_dump(by_alias=True, exclude_none=True)
    section = {k: v for k, v in (settings | change).items() if v is not None}
    body = connection_body() | {
        "apiVersion": "vaultferry.dev/v1alpha1",
        "kind": "VaultConnection",
        "spec": {"infisical": section},
    }

    messages = [fault.message for fault in refused(body)]

    assert bool(complaint) == bool(messages)
    assert complaint in "".join(messages)
