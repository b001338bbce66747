from collections.abc import Iterator

import pytest

from tests.vaults import jwt, raw
from tests.vaults.infisical_shop import (
    ID,
    PLACE,
    PROJECT,
    SECRET,
    ask,
    error,
    login,
    new_server,
    token,
    v4,
)
from tests.vaults.infisical_state import Identity, Rule
from tests.vaults.judges import Judge
from tests.vaults.server import Server

QUERY = {"projectId": PROJECT, **PLACE}


@pytest.fixture
def server() -> Iterator[Server]:
    with new_server().beside() as server:
        yield server


def post(server: Server, path: str, body: object) -> raw.Got:
    return raw.ask("POST", f"{server.url}/api/v1/auth/{path}", None, body)


def read(server: Server, bearer: str) -> raw.Got:
    return ask(server, "/v4/secrets", bearer, QUERY)


@pytest.mark.parametrize(
    ("settings", "expires", "longest"),
    [
        ({}, 2592000, 2592000),
        ({"ttl": 3, "max_ttl": 8}, 3, 8),
        ({"ttl": 0, "max_ttl": 0}, 7776000, 0),
        ({"ttl": 0, "max_ttl": 100}, 100, 100),
        ({"period": 60}, 60, 0),
    ],
)
def test_a_login_tells_how_long_it_is_good(
    server: Server, settings: dict[str, int], expires: int, longest: int
) -> None:
    known = {"client_id": f"{ID}-x", "client_secret": f"{SECRET}-x"}
    server.vault.state.identities["x"] = Identity.model_validate(known | settings)

    found = login(server, "x").document

    assert (found["expiresIn"], found["accessTokenMaxTTL"]) == (expires, longest)
    claims = jwt.read(found["accessToken"])
    assert claims["exp"] - claims["iat"] == pytest.approx(expires, abs=1)
    assert claims["identityId"] == "x"


def test_a_newline_behind_a_secret_does_no_harm(server: Server) -> None:
    assert login(server, secret=f"{SECRET}-all\n").status == 200


def test_three_failures_lock_out_whoever_knows_the_secret(
    server: Server, judge: Judge
) -> None:
    wrong = [login(server, secret="wrong") for _ in range(4)]
    right = login(server)
    sdk = judge.ask("infisical_login", server.url, f"{ID}-all", f"{SECRET}-all")
    other = login(server, "dev")
    server.vault.ahead = 301

    assert [each.status for each in wrong] == [401] * 4
    locked = ["temporarily locked" in each.document["message"] for each in wrong]
    assert locked == [False, False, False, True]
    assert error(right) == (401, "UnauthorizedError")
    assert "temporarily locked" in right.document["message"]
    assert "temporarily locked" in sdk["text"]
    assert other.status == 200
    assert login(server).status == 200


def test_failures_are_forgotten_after_half_a_minute(server: Server) -> None:
    for _ in range(5):
        login(server, secret="wrong")
        server.vault.ahead += 31

    assert login(server).status == 200


def test_a_good_login_clears_the_failures(server: Server) -> None:
    for secret in ("wrong", "wrong", None, "wrong", "wrong"):
        login(server, secret=secret)

    assert login(server).status == 200


def test_who_is_unknown_is_told_the_same(server: Server) -> None:
    unknown, wrong = login(server, "nobody"), login(server, secret="wrong")
    server.vault.state.identities["all"].secret_revoked = True
    revoked = login(server)

    for each in (unknown, wrong, revoked):
        assert error(each) == (401, "UnauthorizedError")
        assert each.document["message"] == "Invalid credentials"


def test_a_secret_past_its_time_is_told_so_once(server: Server) -> None:
    server.vault.state.identities["all"].secret_expired = True

    first, second = login(server), login(server)

    assert "expired" in first.document["message"]
    assert second.document["message"] == "Invalid credentials"


def test_a_login_without_its_fields_is_invalid(server: Server) -> None:
    path = "universal-auth/login"

    refused = post(server, path, {"clientId": "x"})
    broken = raw.ask("POST", f"{server.url}/api/v1/auth/{path}")
    elsewhere = post(
        server,
        path,
        {"clientId": "x", "clientSecret": "x", "organizationSlug": "nobody"},
    )

    assert error(refused) == (422, "ValidationFailure")
    assert refused.document["message"][0]["path"] == ["clientSecret"]
    assert error(broken) == (500, "InternalServerError")
    assert error(elsewhere) == (404, "NotFound")


@pytest.mark.parametrize("version", [3, 4])
def test_a_token_that_does_not_do_is_refused_by_its_kind(
    server: Server, version: int
) -> None:
    path = "/v4/secrets" if version == 4 else "/v3/secrets/raw"
    query = QUERY | {"workspaceId": PROJECT}
    good = token(server)
    claims = jwt.read(good)
    without = {name: claims[name] for name in claims if name != "exp"}
    kinds = {
        "garbage": (403, "TokenError"),
        "aaa.bbb.ccc": (403, "TokenError"),
        good[:-2] + "xx": (403, "TokenError"),
        "st.nobody": (404, "NotFound"),
        jwt.write(without): (401, "UnauthorizedError"),
    }

    found = {kind: error(ask(server, path, kind, query)) for kind in kinds}
    none = ask(server, path, "", query, authorization="")
    scheme = ask(server, path, "", query, authorization=good)
    lower = ask(server, path, "", query, authorization=f"bearer {good}")

    assert found == kinds
    assert error(none) == (401, "UnauthorizedError")
    assert none.document["message"] == "Token missing"
    assert error(scheme) == (403, "TokenError")
    assert lower.status == 200
    assert "www-authenticate" not in none.headers


def test_a_token_expires(server: Server, judge: Judge) -> None:
    bearer = token(server, "short")
    server.vault.ahead = 31

    refused = read(server, bearer)
    place = {"project_id": PROJECT, "environment_slug": "dev", "secret_path": "/"}
    sdk = judge.ask("infisical", server.url, bearer, "list_secrets", **place)

    assert error(refused) == (403, "TokenError")
    assert "expired" in refused.document["message"]
    assert "(Status: 403)" in sdk["text"]


def test_a_token_is_renewed_until_its_longest_time(server: Server) -> None:
    bearer = token(server, "short")

    left = []
    for _ in range(3):
        server.vault.ahead += 22
        renewed = post(server, "token/renew", {"accessToken": bearer}).document
        assert jwt.read(renewed["accessToken"])["jti"] == jwt.read(bearer)["jti"]
        bearer = renewed["accessToken"]
        left.append(renewed["expiresIn"])
    server.vault.ahead += 20

    assert left[:2] == [30, 30]
    # 14, and what the test took so far; whole seconds.
    assert 9 <= left[2] <= 13
    refused = post(server, "token/renew", {"accessToken": bearer})
    assert error(refused) == (403, "TokenError")


def test_an_old_token_stays_good_when_it_is_renewed(server: Server) -> None:
    old = token(server)
    server.vault.ahead = 1
    new = post(server, "token/renew", {"accessToken": old}).document["accessToken"]

    assert new != old
    assert read(server, old).status == read(server, new).status == 200


def test_a_revoked_token_is_refused_at_once(server: Server) -> None:
    bearer = token(server)
    tag = read(server, bearer).headers["etag"]

    revoked = [post(server, "token/revoke", {"accessToken": bearer}) for _ in "12"]
    refused = ask(server, "/v4/secrets", bearer, QUERY, if_none_match=tag)
    renewed = post(server, "token/renew", {"accessToken": bearer})

    assert [each.status for each in revoked] == [200, 200]
    assert error(refused) == error(renewed) == (401, "UnauthorizedError")


def test_a_token_ends_with_its_secret_its_uses_and_its_identity(
    server: Server,
) -> None:
    identities = server.vault.state.identities
    identities["app"].token_uses = 2
    bearers = {name: token(server, name) for name in ("all", "dev", "app")}

    used = [read(server, bearers["app"]).status for _ in range(3)]
    identities["all"].secret_revoked = True
    del identities["dev"]

    assert used == [200, 200, 401]
    assert error(read(server, bearers["all"])) == (401, "UnauthorizedError")
    assert error(read(server, bearers["dev"])) == (401, "UnauthorizedError")


def test_a_service_account_logs_in_with_its_own_token(server: Server) -> None:
    subject = "system:serviceaccount:some-namespace:some-account"
    server.vault.state.identities["pod"] = Identity(
        subjects=[subject], audience="infisical", rules={"shop": [Rule()]}
    )

    def said(who: str, **claims: object) -> raw.Got:
        given = {"identityId": who, "jwt": jwt.write(claims)}
        return post(server, "kubernetes-auth/login", given)

    good = said("pod", sub=subject, aud=["infisical"])
    account = said("pod", sub=subject + "x", aud=["infisical"])
    audience = said("pod", sub=subject, aud=["other"])
    unknown = said("all", sub=subject, aud=["infisical"])
    nothing = post(
        server, "kubernetes-auth/login", {"identityId": "pod", "jwt": "not one"}
    )

    assert read(server, good.document["accessToken"]).status == 200
    assert error(account) == (401, "UnauthorizedError")
    for each in (audience, nothing):
        assert error(each) == (401, "KubernetesTokenReviewError")
    assert error(unknown) == (404, "NotFound")


def test_the_status_tells_the_ceiling(server: Server) -> None:
    found = raw.ask("GET", f"{server.url}/api/status").document

    assert found["maxIdentityAccessTokenTTL"] == 7776000
    assert v4(server).status == 200
