from collections.abc import Iterator
from typing import Any

import pytest

from tests.vaults.infisical_shop import (
    ID,
    PLACE,
    PROJECT,
    SECRET,
    ask,
    error,
    new_server,
    own,
    token,
    v3,
    v4,
    values,
)
from tests.vaults.infisical_state import Rule
from tests.vaults.judges import Judge
from tests.vaults.server import Server

HIDDEN = "<hidden-by-infisical>"
IMPORTING = {"secretPath": "/importing"}


@pytest.fixture
def server() -> Iterator[Server]:
    with new_server().beside() as server:
        yield server


class Sdk:
    """The vendor's client, logged in as one identity."""

    def __init__(self, judge: Judge, server: Server, name: str = "all") -> None:
        self._judge, self._url = judge, server.url
        known = f"{ID}-{name}", f"{SECRET}-{name}"
        self.login = judge.ask("infisical_login", server.url, *known)["ok"]

    def said(self, call: str, **given: object) -> dict[str, Any]:
        place = {
            "project_id": PROJECT,
            "environment_slug": "dev",
            "secret_path": "/",
        }
        token = self.login["accessToken"]
        return self._judge.ask("infisical", self._url, token, call, **(place | given))

    def listed(self, **given: object) -> dict[str, Any]:
        found: dict[str, Any] = self.said("list_secrets", **given)["ok"]
        return found

    def one(self, name: str, **given: object) -> dict[str, Any]:
        return self.said("get_secret_by_name", secret_name=name, **given)


def test_the_sdk_logs_in(server: Server, judge: Judge) -> None:
    login = Sdk(judge, server).login

    assert (login["tokenType"], login["expiresIn"]) == ("Bearer", 2592000)
    assert login["accessTokenMaxTTL"] == 2592000


def test_the_sdk_lists_values_as_they_are_stored(server: Server, judge: Judge) -> None:
    found = values(Sdk(judge, server).listed()["secrets"])

    assert found["EMPTY"] == ""
    assert found["PADDED"] == "padded"
    assert found["LINES"] == "abc\n"
    assert found["UNICODE"] == "žluťoučký 🐎 日本"


def test_the_sdk_gets_references_resolved(server: Server, judge: Judge) -> None:
    sdk = Sdk(judge, server)

    found = values(sdk.listed()["secrets"])
    as_entered = values(sdk.listed(expand_secret_references=False)["secrets"])

    assert found["LOCAL"] == "http://padded:5432/made-up-1"
    assert found["FAR"] == "made-up-2"
    assert found["NOWHERE"] == "[]"
    assert found["SELFREF"] == "x-x-${SELFREF}"
    assert as_entered["FAR"] == "${prod.app.KEY}"


def test_the_sdk_finds_what_is_said_of_a_secret(server: Server, judge: Judge) -> None:
    found = Sdk(judge, server).one("META", project_id=None, project_slug="shop")["ok"]

    assert found["secretComment"] == "a comment"
    assert found["secretMetadata"] == [
        {"key": "owner", "value": "me", "isEncrypted": False}
    ]
    assert found["tags"][0]["slug"] == "team-a"
    assert (found["workspace"], found["environment"]) == (PROJECT, "dev")


def test_the_sdk_gets_imports_in_order(server: Server, judge: Judge) -> None:
    found = Sdk(judge, server).listed(secret_path="/importing")

    assert values(found["secrets"]) == {"DUP": "own"}
    places = [(each["environment"], each["secretPath"]) for each in found["imports"]]
    assert places == [
        ("dev", "/shared"),
        ("prod", "/later"),
        ("dev", "/gone"),
        ("dev", "/n1"),
    ]
    shared, later, gone, folded = found["imports"]
    # Version 3 resolves from where the secret is.
    assert values(shared["secrets"])["REF"] == "ref-first"
    assert values(later["secrets"]) == {"SH1": "second"}
    assert gone.get("folderId") is None
    assert gone["secrets"] == []
    assert values(folded["secrets"]) == {"DEEP": "n2", "DEEPER": "n3"}


def test_the_sdk_gets_the_own_secret_or_the_last_import(
    server: Server, judge: Judge
) -> None:
    sdk = Sdk(judge, server)
    where = {"secret_path": "/importing"}

    dup, sh1 = (sdk.one(name, **where)["ok"] for name in ("DUP", "SH1"))
    without = sdk.one("SH1", **where, include_imports=False)

    assert dup["secretValue"] == "own"
    assert sh1["secretValue"] == "second"
    assert (sh1["environment"], sh1["secretPath"]) == ("prod", "/later")
    assert "(Status: 404)" in without["text"]


def test_the_sdk_lists_a_whole_tree(server: Server, judge: Judge) -> None:
    found = Sdk(judge, server).listed(secret_path="/app", recursive=True)

    assert [(each["secretPath"], each["secretKey"]) for each in found["secrets"]] == [
        ("/app/db", "PASS")
    ]


def test_the_sdk_may_look_without_seeing(server: Server, judge: Judge) -> None:
    sdk = Sdk(judge, server, "blind")

    found = sdk.listed(view_secret_value=False)["secrets"]
    refused = sdk.said("list_secrets"), sdk.one("META")

    assert {(each["secretValue"], each["secretValueHidden"]) for each in found} == {
        (HIDDEN, True)
    }
    assert all("(Status: 403)" in each["text"] for each in refused)


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"environment_slug": "tst"}, 404),
        ({"secret_path": "/nowhere"}, 404),
        ({"project_id": "nobody"}, 404),
        ({"project_id": None, "project_slug": "other"}, 403),
    ],
)
def test_the_sdk_is_told_what_is_wrong(
    server: Server, judge: Judge, given: dict[str, object], status: int
) -> None:
    sdk = Sdk(judge, server)

    listed, one = sdk.said("list_secrets", **given), sdk.one("META", **given)

    assert listed["error"] == one["error"] == "APIError"
    assert f"(Status: {status})" in listed["text"]
    assert f"(Status: {status})" in one["text"]


def test_the_defaults_of_the_versions_differ(server: Server) -> None:
    newer, older = v4(server, **IMPORTING), v3(server, **IMPORTING)

    assert len(newer.document["imports"]) == 4
    assert older.document["imports"] == []
    assert own(v4(server))["FAR"] == "made-up-2"
    assert own(v3(server))["FAR"] == "${prod.app.KEY}"


def test_each_version_knows_its_own_spelling_only(server: Server) -> None:
    newer = v4(server, **IMPORTING, include_imports="false")
    older = v3(server, **IMPORTING, includeImports="true")

    assert len(newer.document["imports"]) == 4
    assert older.document["imports"] == []
    assert v4(server, **IMPORTING, includeImports="false").document["imports"] == []


@pytest.mark.parametrize("text", ["1", "True", ""])
def test_a_switch_is_true_or_false(server: Server, text: str) -> None:
    refused = v4(server, recursive=text)

    assert error(refused) == (422, "ValidationFailure")
    assert isinstance(refused.document["message"], list)


def test_an_import_is_resolved_elsewhere_in_version_4(server: Server) -> None:
    off = {"expandSecretReferences": "false"}
    shared = v4(server, **IMPORTING, **off).document["imports"][0]

    assert values(shared["secrets"])["REF"] == "ref-second"
    assert all(each["workspace"] == "" for each in shared["secrets"])
    assert "secretPath" not in shared["secrets"][0]


@pytest.mark.parametrize("path", ["/app/db", "/app/db/", "app/db", "//app/db"])
def test_a_path_is_echoed_as_it_was_spelt(server: Server, path: str) -> None:
    (found,) = v4(server, secretPath=path).document["secrets"]

    assert found["secretPath"] == path.rstrip("/")


def test_a_forbidden_place_looks_empty(server: Server) -> None:
    listed = v4(server, "app")
    there, absent = (v4(server, "app", one) for one in ("META", "NOPE"))

    assert listed.status == 200
    assert listed.document == {"secrets": [], "imports": []}
    assert error(there) == error(absent) == (403, "PermissionDenied")
    assert there.document["details"][0]["path"] == "/app/**"
    assert own(v4(server, "app", secretPath="/app/db")) == {"PASS": "made-up-1"}


@pytest.mark.parametrize(
    ("query", "listed", "one"),
    [
        ({"environment": "tst"}, "SecretPathNotFound", "GetSecretByName"),
        ({"secretPath": "/nowhere"}, "SecretPathNotFound", "GetSecretByName"),
        ({"environment": "tst", "recursive": "true"}, "NotFound", "GetSecretByName"),
        ({"projectId": "shop"}, "NotFound", "NotFound"),
    ],
)
def test_what_is_absent_has_several_names(
    server: Server, query: dict[str, str], listed: str, one: str
) -> None:
    assert error(v4(server, **query)) == (404, listed)
    assert error(v4(server, one="META", **query)) == (404, one)


def test_an_absent_secret_is_not_found(server: Server) -> None:
    assert error(v4(server, one="NOPE")) == (404, "NotFound")
    assert error(v4(server, one="META", type="personal")) == (404, "NotFound")
    assert error(v4(server, one="META", version="7")) == (404, "NotFound")
    assert v4(server, secretPath="/bare").document["secrets"] == []


def test_a_long_name_is_an_unknown_route(server: Server) -> None:
    found = v4(server, one="X" * 101)

    assert found.status == 404
    assert "reqId" not in found.document
    assert found.document["error"] == "Not Found"


@pytest.mark.parametrize(
    ("version", "one", "missing", "expected"),
    [
        (4, "", "projectId", 400),
        (4, "META", "projectId", 422),
        (4, "", "environment", 400),
        (3, "", "workspaceId", 400),
    ],
)
def test_what_is_missing_is_named_by_a_status(
    server: Server, version: int, one: str, missing: str, expected: int
) -> None:
    path = "/v4/secrets" if version == 4 else "/v3/secrets/raw"
    query = {"projectId": PROJECT, "workspaceId": PROJECT} | PLACE
    del query[missing]
    if version == 3:
        query.pop("projectId", None)

    found = ask(server, f"{path}{one and '/' + one}", token(server), query)

    assert found.status == expected


def test_who_has_no_right_at_all_is_told_so(server: Server) -> None:
    for refused in (v4(server, "none"), v4(server, "none", "META")):
        assert error(refused) == (403, "PermissionDenied")
        assert refused.document["details"] == []


def test_who_may_only_look_gets_no_list_with_values(server: Server) -> None:
    place = {"secretPath": "/app/db"}

    listed, one = (v4(server, "blind", name, **place) for name in ("", "PASS"))

    assert error(listed) == (403, "PermissionDenied")
    assert error(one) == (403, "ForbiddenReadSecretError")


def test_a_reference_to_what_is_forbidden_fails_the_whole_list(server: Server) -> None:
    place = {"secretPath": "/referring"}

    for one in ("", "BAD"):
        refused = v4(server, "dev", one, **place)
        assert error(refused) == (403, "ForbiddenError")
        assert all(isinstance(each, str) for each in refused.document["details"])
    off = v4(server, "dev", **place, expandSecretReferences="false")
    assert own(off) == {"BAD": "${prod.app.KEY}"}


def test_an_import_that_is_forbidden_comes_empty(server: Server) -> None:
    imports = v4(server, "dev", **IMPORTING).document["imports"]

    assert imports[1]["secrets"] == []
    assert "folderId" in imports[1]


def test_secrets_are_found_by_tag_and_by_metadata(server: Server) -> None:
    assert own(v4(server, tagSlugs="team-a,team-b")).keys() == {"META"}
    assert own(v4(server, metadataFilter="key=owner,value=me")).keys() == {"META"}
    assert own(v4(server, tagSlugs="team-b")) == {}


def test_a_project_is_found_by_its_slug(server: Server) -> None:
    bearer = token(server)
    found, absent, foreign = (
        ask(server, f"/v1/projects/slug/{slug}", bearer)
        for slug in ("shop", "nobody", "other")
    )

    assert found.document["id"] == PROJECT
    assert [each["slug"] for each in found.document["environments"]] == ["dev", "prod"]
    assert error(absent) == (404, "NotFound")
    assert error(foreign) == (403, "ProjectMembershipNotFound")
    (mine,) = ask(server, "/v1/projects", bearer).document["projects"]
    assert mine["slug"] == "shop"


LIST = "/v4/secrets"
QUERY = {"projectId": PROJECT, **PLACE}


def test_a_tag_stands_for_a_content_and_an_identity(server: Server) -> None:
    bearer = token(server)
    first = ask(server, LIST, bearer, QUERY)
    tag = first.headers["etag"]

    same = ask(server, LIST, token(server), QUERY, if_none_match=tag)
    weak = ask(server, LIST, bearer, QUERY, if_none_match=f"W/{tag}")
    place = QUERY | {"secretPath": "/app/db"}
    one, other = (
        ask(server, LIST, token(server, who), place) for who in ("all", "app")
    )

    assert len(tag) == 45
    assert ask(server, LIST, bearer, QUERY).body == first.body
    assert (same.status, same.body, same.headers["etag"]) == (304, b"", tag)
    assert weak.status == 304
    assert one.body == other.body
    assert one.headers["etag"] != other.headers["etag"]


@pytest.mark.parametrize("form", ['"x", {tag}', "*", "{bare}"])
def test_only_one_tag_in_quotes_is_understood(server: Server, form: str) -> None:
    bearer = token(server)
    tag = ask(server, LIST, bearer, QUERY).headers["etag"]
    sent = form.format(tag=tag, bare=tag.strip('"'))

    assert ask(server, LIST, bearer, QUERY, if_none_match=sent).status == 200


def test_a_tag_changes_with_a_write_of_the_same_value(server: Server) -> None:
    bearer = token(server)
    tag = ask(server, LIST, bearer, QUERY).headers["etag"]

    server.vault.state.projects["shop"].put("dev", "/", "META", "m")
    after = ask(server, LIST, bearer, QUERY, if_none_match=tag)

    assert after.status == 200
    (meta,) = (e for e in after.document["secrets"] if e["secretKey"] == "META")
    assert meta["version"] == 2


def test_one_secret_has_a_tag_of_another_form(server: Server) -> None:
    bearer = token(server)
    first = ask(server, f"{LIST}/META", bearer, QUERY)
    tag = first.headers["etag"]

    assert len(tag) == 30
    again = ask(server, f"{LIST}/META", bearer, QUERY, if_none_match=tag)
    assert (again.status, again.body) == (304, b"")


def test_304_outlives_the_permission_of_who_asks_in_time(server: Server) -> None:
    bearer = token(server)
    tag = ask(server, LIST, bearer, QUERY).headers["etag"]
    del server.vault.state.identities["all"].rules["shop"]

    believed = ask(server, LIST, bearer, QUERY, if_none_match=tag)
    server.vault.ahead = 60
    plain = ask(server, LIST, bearer, QUERY)
    conditional = ask(server, LIST, bearer, QUERY, if_none_match=tag)
    server.vault.state.projects["shop"].put("dev", "/app/db", "PASS", "made-up-9")
    after = ask(server, LIST, bearer, QUERY, if_none_match=tag)

    assert believed.status == 304
    assert error(plain) == (403, "ProjectMembershipNotFound")
    assert conditional.status == 304
    assert error(after) == (403, "ProjectMembershipNotFound")


def test_304_ends_with_the_permission_of_who_was_silent(server: Server) -> None:
    bearer = token(server)
    tag = ask(server, LIST, bearer, QUERY).headers["etag"]
    del server.vault.state.identities["all"].rules["shop"]
    server.vault.ahead = 11

    refused = ask(server, LIST, bearer, QUERY, if_none_match=tag)

    assert error(refused) == (403, "ProjectMembershipNotFound")


def test_a_new_right_is_seen_after_ten_seconds(server: Server) -> None:
    assert v4(server, "none").status == 403
    server.vault.state.identities["none"].rules["shop"] = [Rule()]

    assert v4(server, "none").status == 403
    server.vault.ahead = 11
    assert v4(server, "none").status == 200


def test_an_unknown_route_has_another_shape(server: Server) -> None:
    found = ask(server, "/v9/secrets", token(server))

    assert found.status == 404
    assert found.document.keys() == {"message", "error", "statusCode"}
