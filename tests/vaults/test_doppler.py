import json
import os
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import toolbox
from tests.vaults import judges, jwt, raw
from tests.vaults.doppler import Doppler
from tests.vaults.doppler_state import Identity, State, Token
from tests.vaults.faults import Fault, bad_gateway, too_many
from tests.vaults.judges import Judge
from tests.vaults.limiter import Rate
from tests.vaults.record import Entry
from tests.vaults.server import Server

PERSONAL = "dp.pt.made-up"
SERVICE, ACCOUNT, EXPIRED = "dp.st.prd.made-up", "dp.sa.made-up", "dp.st.made-up-old"
OWN = {"DOPPLER_CONFIG", "DOPPLER_ENVIRONMENT", "DOPPLER_PROJECT"}
BEARER = {"authorization": f"Bearer {SERVICE}"}
PRD = {"project": "shop", "config": "prd"}


@pytest.fixture
def server() -> Iterator[Server]:
    state = State(
        configs={
            "shop/prd": {
                "STRIPE": "made-up-1",
                "USER": "${STRIPE}:${dev.USER}:${lib.dev.KEY}:${NOWHERE}",
            },
            "shop/dev": {"USER": "made-up-2"},
            "lib/dev": {"KEY": "made-up-3"},
        },
        tokens={
            SERVICE: Token(config="shop/prd"),
            ACCOUNT: Token(projects=["shop"]),
            PERSONAL: Token(),
            EXPIRED: Token(config="shop/prd", expires_at=1),
        },
        identities={"some-id": Identity(subject="some-one", audience="doppler")},
    )
    with Server(Doppler(state)).beside() as server:
        yield server


class Command:
    """Doppler's command with a home of its own."""

    def __init__(self, server: Server, home: Path, token: str = SERVICE) -> None:
        self._given = {
            "DOPPLER_API_HOST": server.url,
            "DOPPLER_ENABLE_ANALYTICS": "false",
            "DOPPLER_ENABLE_VERSION_CHECK": "false",
            "DOPPLER_TOKEN": token,
            "HOME": str(home),
        }

    def done(
        self, *arguments: str, **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        return judges.done(judges.doppler(), *arguments, **self._given, **variables)

    def said(self, *arguments: str, **variables: str) -> str:
        done = self.done(*arguments, **variables)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def started(self, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
        """Run it meanwhile, a minute at most."""
        process = subprocess.Popen(
            [judges.doppler(), *arguments],
            env=toolbox.environment(judges.packages(), **self._given),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        killed = threading.Timer(60, os.killpg, (process.pid, signal.SIGKILL))
        killed.start()
        with process:
            yield process
            killed.cancel()
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def command(server: Server, tmp_path: Path) -> Command:
    return Command(server, tmp_path)


def sdk(
    judge: Judge, server: Server, call: str, token: str = SERVICE, **given: str
) -> dict[str, Any]:
    return judge.ask("doppler", server.url, token, "secrets", call, **given)


def test_the_sdk_downloads_values(server: Server, judge: Judge) -> None:
    found = sdk(judge, server, "download", **PRD, format="json")["ok"]

    # It drops what is not in the example of the vendor's documentation.
    assert found["STRIPE"] == "made-up-1"
    assert found["USER"] == "made-up-1:made-up-2:made-up-3:${NOWHERE}"


def test_the_sdk_lists_raw_and_computed_values(server: Server, judge: Judge) -> None:
    found = sdk(judge, server, "list", **PRD)["ok"]["secrets"]

    assert found.keys() == {"STRIPE", "USER"} | OWN
    assert found["USER"]["raw"].startswith("${STRIPE}")
    assert found["USER"]["computed"].startswith("made-up-1")


def test_the_sdk_finds_the_names_and_one_secret(server: Server, judge: Judge) -> None:
    names = sdk(judge, server, "names", **PRD)["ok"]["names"]
    one = sdk(judge, server, "get", **PRD, name="STRIPE")["ok"]

    assert set(names) == {"STRIPE", "USER"} | OWN
    assert one["name"] == "STRIPE"
    assert one["value"]["computed"] == "made-up-1"


@pytest.mark.parametrize(
    ("token", "where", "said"),
    [
        (EXPIRED, PRD, ("UnauthorizedException", "Invalid Auth token")),
        ("dp.st.nobody", PRD, ("UnauthorizedException", "Invalid Auth token")),
        (SERVICE, PRD | {"config": "dev"}, ("ForbiddenException", "not have access")),
        (ACCOUNT, PRD | {"project": "lib"}, ("ForbiddenException", "not have access")),
        (ACCOUNT, PRD | {"config": "tst"}, ("NotFoundException", "requested config")),
    ],
)
def test_the_sdk_is_told_why_not(
    server: Server,
    judge: Judge,
    token: str,
    where: dict[str, str],
    said: tuple[str, str],
) -> None:
    found = sdk(judge, server, "names", token, **where)

    assert found["error"] == said[0]
    assert said[1] in found["text"]


def test_the_sdk_does_not_find_an_absent_secret(server: Server, judge: Judge) -> None:
    assert sdk(judge, server, "get", **PRD, name="NO")["error"] == "NotFoundException"


def login(server: Server, subject: str) -> raw.Got:
    # The fake reads the claims only, as it has nobody's public key.
    claims = {"sub": subject, "aud": ["doppler"], "exp": 2**40}
    given = {"identity": "some-id", "token": jwt.write(claims)}
    return raw.ask("POST", f"{server.url}/v3/auth/oidc", body=given)


def test_a_workload_logs_in_with_its_own_token(server: Server, judge: Judge) -> None:
    token = login(server, "some-one").document["token"]
    me = judge.ask("doppler", server.url, token, "auth", "me")["ok"]
    names = sdk(judge, server, "names", token, **PRD)
    server.vault.ahead = 1000
    later = sdk(judge, server, "names", token, **PRD)

    assert token.startswith("dp.said.")
    assert me["type_"] == "service_account_identity"
    assert "ok" in names
    assert later["error"] == "UnauthorizedException"


def test_another_workload_does_not_log_in(server: Server) -> None:
    refused = login(server, "some-one-else")

    assert refused.status == 401
    assert refused.document["success"] is False


def test_a_tag_is_for_one_query_only(server: Server) -> None:
    url = f"{server.url}/v3/configs/config/secrets/download"
    query, same = ({"secrets": names} for names in ("STRIPE", "STRIPE,NOPE"))

    tag = {"if-none-match": raw.ask("GET", url, query, None, BEARER).headers["etag"]}

    assert raw.ask("GET", url, query, None, BEARER | tag).status == 304
    other = raw.ask("GET", url, same, None, BEARER | tag)
    assert other.document == {"STRIPE": "made-up-1"}


def test_every_answer_tells_the_limit(server: Server) -> None:
    server.vault.state.rate = Rate(limit=1, seconds=10)
    url = f"{server.url}/v3/me"

    first, second = (raw.ask("GET", url, headers=BEARER) for _ in "12")

    assert first.status == 200
    assert first.headers["x-ratelimit-limit"] == "1"
    assert first.headers["x-ratelimit-remaining"] == "0"
    assert second.status == 429
    assert 0 < int(second.headers["retry-after"]) <= 10
    assert float(second.headers["x-ratelimit-reset"]) > server.vault.now


def test_the_sdk_is_throttled(server: Server, judge: Judge) -> None:
    server.vault.state.rate = Rate(limit=2)

    said = [sdk(judge, server, "names", **PRD) for _ in range(3)]
    other = sdk(judge, server, "names", ACCOUNT, **PRD)
    server.vault.ahead = 61

    assert [each.get("error") for each in said] == [
        None,
        None,
        "TooManyRequestsException",
    ]
    assert "ok" in other
    assert "ok" in sdk(judge, server, "names", **PRD)


def test_the_command_finds_the_config_by_its_token(command: Command) -> None:
    found = json.loads(command.said("secrets", "download", "--no-file"))

    assert found.keys() == {"STRIPE", "USER"} | OWN
    assert found["DOPPLER_CONFIG"] == "prd"
    assert command.said("secrets", "get", "STRIPE", "--plain") == "made-up-1\n"


def test_the_command_finds_the_names(command: Command) -> None:
    names = json.loads(command.said("secrets", "--only-names", "--json"))

    assert names.keys() == {"STRIPE", "USER"} | OWN


def test_the_command_says_whose_the_token_is(server: Server, tmp_path: Path) -> None:
    kinds = [
        json.loads(Command(server, tmp_path, token).said("me", "--json"))["type"]
        for token in (SERVICE, ACCOUNT, PERSONAL)
    ]

    assert kinds == ["service_token", "service_account_token", "personal"]


def test_the_command_names_another_place(server: Server, tmp_path: Path) -> None:
    place = ("--project", "shop", "--config", "dev", "--plain")

    got = [
        Command(server, tmp_path, token).said("secrets", "get", "USER", *place)
        for token in (ACCOUNT, PERSONAL)
    ]
    refused = Command(server, tmp_path).done("secrets", "get", "USER", *place)

    assert got == ["made-up-2\n"] * 2
    assert "does not have access to requested config 'dev'" in refused.stderr


def test_the_command_downloads_an_unchanged_config_once(
    server: Server, command: Command
) -> None:
    run = ("run", "--", "sh", "-c", "echo $STRIPE")

    said = [command.said(*run) for _ in range(2)]
    server.vault.state.configs["shop/prd"]["STRIPE"] = "made-up-4"
    said += [command.said(*run)]

    assert said == ["made-up-1\n", "made-up-1\n", "made-up-4\n"]
    assert [entry.status for entry in server.record] == [200, 304, 200]
    assert "if-none-match" not in server.record[0].headers


def test_the_command_starts_again_when_a_secret_changes(
    server: Server, command: Command
) -> None:
    echo = ("sh", "-c", "echo $STRIPE; exec sleep 60")
    with command.started("run", "--watch", "--", *echo) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        while not any(_is_watched(entry) for entry in server.record):
            assert process.poll() is None
            time.sleep(0.01)
        server.vault.state.configs["shop/prd"]["STRIPE"] = "made-up-5"
        second = process.stdout.readline()

    assert [first, second] == ["made-up-1\n", "made-up-5\n"]


def _is_watched(entry: Entry) -> bool:
    return entry.path.endswith("/watch") and entry.status is not None


def test_a_watch_is_told_that_it_is_alive(server: Server) -> None:
    server.vault.state.ping_seconds = 0.1
    asked = urllib.request.Request(  # noqa: S310 - the address of the fake
        f"{server.url}/v3/configs/config/secrets/watch", headers=BEARER
    )

    with urllib.request.urlopen(asked, timeout=30) as stream:  # noqa: S310
        lines = [stream.readline() for _ in range(6)]

    assert b"".join(lines) == (
        b'event: message\ndata: {"type":"connected"}\n\n'
        b'event: message\ndata: {"type":"ping"}\n\n'
    )


def test_the_command_asks_again_after_what_passes(
    server: Server, command: Command
) -> None:
    server.faults = [bad_gateway(times=1), too_many(times=1)]

    assert command.said("secrets", "get", "STRIPE", "--plain") == "made-up-1\n"
    assert [entry.status for entry in server.record] == [502, 429, 200]


def test_the_command_takes_an_error_in_json_for_final(
    server: Server, command: Command
) -> None:
    body = '{"messages": ["broken"], "success": false}'
    headers = {"content-type": "application/json"}
    server.faults = [Fault(status=500, headers=headers, body=body)]

    done = command.done("secrets")

    assert done.returncode == 1
    assert "broken" in done.stderr
    assert [entry.status for entry in server.record] == [500]


def test_the_command_trusts_the_authority_of_a_fake_with_tls(tmp_path: Path) -> None:
    state = State(configs={"shop/prd": {}}, tokens={SERVICE: Token(config="shop/prd")})
    with Server(Doppler(state), https=True).beside() as server:
        (tmp_path / "ca.pem").write_text(server.certificate)
        command = Command(server, tmp_path)
        trusting = {"SSL_CERT_FILE": str(tmp_path / "ca.pem")}

        assert "shop" in command.said("secrets", "--json", **trusting)
        assert "certificate" in command.done("secrets").stderr
