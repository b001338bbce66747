"""Programs that say who we are: what they are told, and how long it holds."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.apiserver.files import CANARY, URL, Content, reached
from tests.apiserver.https import Asked, Https, asked
from tests.controlplane.certificates import Authority
from tests.controlplane.kubeconfig import encode
from tests.running import run
from vaultferry.apiserver import plugin
from vaultferry.apiserver.credentials import Unusable
from vaultferry.apiserver.plugin import Command, Plugin

VERSION = "client.authentication.k8s.io/v1"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()


class Program:
    """A program in a folder that says what it is told to, and keeps what it heard."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "who-am-i"
        self._answer = folder / "answer"
        self._heard = folder / "heard"
        self.write('echo "$KUBERNETES_EXEC_INFO" >> heard; cat answer')

    def write(self, script: str) -> None:
        """Do something else than to say it."""
        text = f'#!/bin/sh\ncd "$(dirname "$0")"\n{script}\n'
        self.path.write_text(text)
        self.path.chmod(0o700)

    def says(self, version: str = VERSION, **status: Any) -> None:
        body = {"kind": "ExecCredential", "apiVersion": version, "status": status}
        self._answer.write_text(json.dumps(body))

    def says_plainly(self, text: str) -> None:
        self._answer.write_text(text)

    @property
    def heard(self) -> list[Any]:
        """What it was told, each time that it ran."""
        if not self._heard.exists():
            return []
        return [json.loads(line) for line in self._heard.read_text().splitlines()]

    def content(self, **more: Any) -> Content:
        """Return how a kubeconfig names it."""
        return {"exec": {"apiVersion": VERSION, "command": "./who-am-i", **more}}

    def plugin(self, clock: "Clock") -> Plugin:
        command = Command("the program", VERSION, [str(self.path)], {}, None)
        return Plugin(command, None, clock)


class Clock:
    """Stands still until it is moved."""

    now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def until(text: str) -> Any:
    return {"expirationTimestamp": f"2026-11-23T{text}"}


def shown(folder: Path, user: Content, cluster: Content | None = None) -> str | None:
    return run(reached(folder, user, cluster).credentials.authorization())


def test_a_program_says_who_we_are_and_is_told_that_nobody_listens(
    program: Program, tmp_path: Path
) -> None:
    program.says(token="made-up")

    assert shown(tmp_path, program.content()) == "Bearer made-up"
    kind = {"kind": "ExecCredential", "apiVersion": VERSION}
    assert program.heard == [{**kind, "spec": {"interactive": False}}]


def test_it_may_speak_the_older_version(program: Program, tmp_path: Path) -> None:
    version = "client.authentication.k8s.io/v1beta1"
    program.says(version, token="made-up")

    assert shown(tmp_path, program.content(apiVersion=version)) == "Bearer made-up"
    assert program.heard[0]["apiVersion"] == version


def test_it_gets_arguments_and_variables(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OURS", "kept")
    monkeypatch.setenv("THEIRS", "replaced")
    body = {"kind": "ExecCredential", "apiVersion": VERSION}
    text = json.dumps(body | {"status": {"token": "TOKEN"}})
    program.write(f"""echo '{text}' | sed "s/TOKEN/$1-$2-$OURS-$THEIRS-$EMPTY/" """)
    env = [{"name": "THEIRS", "value": "set"}, {"name": "EMPTY", "value": ""}]

    user = program.content(args=["a", "b"], env=env)

    assert shown(tmp_path, user) == "Bearer a-b-kept-set-"


def test_it_does_not_get_the_root_key(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENCRYPTION_KEY", CANARY)
    program.write("env > environ; cat answer")
    program.says(token="made-up")

    shown(tmp_path, program.content())

    environ = (tmp_path / "environ").read_text()
    assert "PATH=" in environ
    assert CANARY not in environ


def test_it_is_looked_for_on_the_path(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.says(token="made-up")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    assert shown(tmp_path, program.content(command="who-am-i")) == "Bearer made-up"


AUTHORITY = Authority("ours")


@pytest.mark.parametrize("given", ["data", "file", "nothing"])
def test_it_is_told_of_the_cluster_where_it_asks_for_that(
    given: str, program: Program, tmp_path: Path
) -> None:
    program.says(token="made-up")
    (tmp_path / "ca.crt").write_text(AUTHORITY.certificate)
    named = {"tls-server-name": "other", "proxy-url": "http://proxy:3128"}
    ways: dict[str, Content] = {
        "data": {"certificate-authority-data": encode(AUTHORITY.certificate)},
        "file": {"certificate-authority": "ca.crt"},
        "nothing": {"insecure-skip-tls-verify": True},
    }
    extensions = [
        {"name": "another", "extension": {"audience": "wrong"}},
        {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "us"}},
    ]
    cluster = {**named, **ways[given], "extensions": extensions}

    shown(tmp_path, program.content(provideClusterInfo=True), cluster)

    told = ways["nothing" if given == "nothing" else "data"]
    expected = {"server": URL, **named, **told, "config": {"audience": "us"}}
    assert program.heard[0]["spec"]["cluster"] == expected


def test_it_may_name_a_certificate(program: Program, tmp_path: Path) -> None:
    pair = AUTHORITY.issue("me")
    program.says(clientCertificateData=pair.certificate, clientKeyData=pair.key)
    trusted = {"certificate-authority-data": encode(AUTHORITY.certificate)}

    seen = asked(
        Https(AUTHORITY, tmp_path),
        lambda url: reached(tmp_path, program.content(), {"server": url, **trusted}),
    )

    assert seen == Asked(None, "me")


def test_without_tls_a_certificate_is_of_no_use_and_no_harm(
    program: Program, tmp_path: Path
) -> None:
    program.says(clientCertificateData=CANARY, clientKeyData=CANARY, token="made-up")

    cluster = {"server": "http://here"}

    assert shown(tmp_path, program.content(), cluster) == "Bearer made-up"


# How long it holds


def story(act: Callable[[], Awaitable[Any]]) -> None:
    async def told() -> None:
        await act()

    run(told())


def test_what_never_expires_is_asked_for_once(program: Program, clock: Clock) -> None:
    program.says(token="made-up")
    credentials = program.plugin(clock)

    async def twice() -> None:
        await credentials.authorization()
        clock.now += 10**9
        await credentials.authorization()

    story(twice)
    assert len(program.heard) == 1


@pytest.mark.parametrize(
    ("end", "kept", "renewed"),
    [("13:00:00Z", 3539, 3540), ("12:01:40.5+00:00", 90, 91)],
    ids=["a minute before", "but a tenth of its life at most"],
)
def test_it_runs_again_shortly_before_what_it_said_expires(
    end: str, kept: int, renewed: int, program: Program, clock: Clock
) -> None:
    program.says(token="first", **until(end))
    credentials = program.plugin(clock)

    async def later() -> None:
        assert await credentials.authorization() == "Bearer first"
        program.says(token="second", **until("14:00:00Z"))
        clock.now = NOON + kept
        assert await credentials.authorization() == "Bearer first"
        clock.now = NOON + renewed
        assert await credentials.authorization() == "Bearer second"

    story(later)
    assert len(program.heard) == 2


def test_many_calls_wait_for_one_run(program: Program, clock: Clock) -> None:
    program.says(token="made-up")
    credentials = program.plugin(clock)

    async def many() -> None:
        calls = (credentials.authorization() for _ in range(16))
        assert set(await asyncio.gather(*calls)) == {"Bearer made-up"}

    story(many)
    assert len(program.heard) == 1


def test_while_it_fails_the_old_token_holds_until_it_expires(
    program: Program, clock: Clock
) -> None:
    program.says(token="made-up", **until("13:00:00Z"))
    credentials = program.plugin(clock)

    async def failing() -> None:
        await credentials.authorization()
        program.write("exit 1")
        clock.now = NOON + 3599
        assert await credentials.authorization() == "Bearer made-up"
        clock.now = NOON + 3600
        with pytest.raises(Unusable, match=r"^the program: the program failed$"):
            await credentials.authorization()

    story(failing)


def test_a_token_that_is_refused_is_asked_for_anew_once(
    program: Program, clock: Clock
) -> None:
    program.says(token="first")
    credentials = program.plugin(clock)

    async def refused() -> None:
        await credentials.authorization()
        program.says(token="second")
        credentials.refused("Bearer first")
        assert await credentials.authorization() == "Bearer second"
        # Of calls that ran together, the next one is answered late.
        credentials.refused("Bearer first")
        assert await credentials.authorization() == "Bearer second"

    story(refused)
    assert len(program.heard) == 2


# What goes wrong


def body(**more: Any) -> str:
    good = {
        "kind": "ExecCredential",
        "apiVersion": VERSION,
        "status": {"token": CANARY},
    }
    return json.dumps(good | more)


USELESS = {
    "nothing": "",
    "no JSON": CANARY,
    "no object": f'["{CANARY}"]',
    "another kind": body(kind="Secret"),
    "another version": body(apiVersion="client.authentication.k8s.io/v1beta1"),
    "no status": json.dumps({"kind": "ExecCredential", "apiVersion": VERSION}),
    "a status that is none": body(status=CANARY),
    "a status of nothing": body(status={}),
    "a certificate without a key": body(status={"clientCertificateData": CANARY}),
    "a key that is no text": body(
        status={"clientCertificateData": CANARY, "clientKeyData": 1}
    ),
    "no certificate": body(
        status={"clientCertificateData": CANARY, "clientKeyData": CANARY}
    ),
    "no time": body(status={"token": CANARY, "expirationTimestamp": CANARY}),
    "a time of nowhere": body(
        status={"token": CANARY, "expirationTimestamp": "2026-11-23T12:00:00"}
    ),
}


@pytest.mark.parametrize("text", USELESS.values(), ids=USELESS)
def test_what_it_says_is_refused_and_not_quoted(
    text: str, program: Program, tmp_path: Path
) -> None:
    program.says_plainly(text)

    with pytest.raises(Unusable) as caught:
        shown(tmp_path, program.content())

    where = f"user ours of {tmp_path / 'config'}: exec"
    assert str(caught.value) == f"{where}: the program says nothing of use"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_token_that_is_none_is_not_quoted(program: Program, tmp_path: Path) -> None:
    program.says(token=f"{CANARY}\n{CANARY}")

    with pytest.raises(Unusable, match=r"what the program says is no token$"):
        shown(tmp_path, program.content())


def test_what_it_prints_for_its_user_is_shown_nowhere(
    program: Program, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    program.write(f"echo {CANARY}; echo {CANARY} >&2; exit 3")

    with pytest.raises(Unusable, match=r"the program failed$"):
        shown(tmp_path, program.content())

    assert capfd.readouterr() == ("", "")


def test_it_has_nobody_to_ask(program: Program, tmp_path: Path) -> None:
    program.write("read line && echo heard something >> asked; cat answer")
    program.says(token="made-up")

    shown(tmp_path, program.content())

    assert not (tmp_path / "asked").exists()


def test_one_that_takes_too_long_is_ended_with_what_it_waits_for(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin, "_LONGEST_SECONDS", 0.3)
    program.write("sleep 60; cat answer")

    with pytest.raises(Unusable, match=r"the program took too long$"):
        shown(tmp_path, program.content())


@pytest.mark.parametrize("command", ["./absent", "no-such-program-anywhere", "."])
def test_one_that_cannot_be_run_is_told(command: str, tmp_path: Path) -> None:
    user = {"exec": {"apiVersion": VERSION, "command": f"{command}"}}

    with pytest.raises(Unusable, match=r"exec: the program cannot be run$"):
        shown(tmp_path, user)


REFUSED: dict[str, tuple[Content, str]] = {
    "no program": ({"command": ""}, "exec: command is not what it has to be"),
    "no version": ({"apiVersion": ""}, "exec: apiVersion is neither v1 nor v1beta1"),
    "another version": (
        {"apiVersion": "client.authentication.k8s.io/v1alpha1"},
        "exec: apiVersion is neither v1 nor v1beta1",
    ),
    "a terminal": (
        {"interactiveMode": "Always"},
        "exec: interactiveMode wants a terminal, and gets none here",
    ),
    "arguments that are none": (
        {"args": [CANARY, 1]},
        "exec: args is not what it has to be",
    ),
    "variables that are no list": (
        {"env": {"A": CANARY}},
        "exec has something that is no list",
    ),
    "a variable without a name": (
        {"env": [{"value": CANARY}]},
        "exec: env: name is not what it has to be",
    ),
}


@pytest.mark.parametrize(("more", "words"), REFUSED.values(), ids=REFUSED)
def test_what_a_kubeconfig_says_of_it_is_refused_and_not_quoted(
    more: Content, words: str, program: Program, tmp_path: Path
) -> None:
    with pytest.raises(Unusable) as caught:
        reached(tmp_path, program.content(**more))

    assert str(caught.value) == f"user ours of {tmp_path / 'config'}: {words}"


def test_an_authority_that_it_is_to_be_told_of_has_to_be_there(
    program: Program, tmp_path: Path
) -> None:
    cluster = {"server": "http://here", "certificate-authority": "absent"}

    with pytest.raises(Unusable, match=r"certificate-authority cannot be read$"):
        reached(tmp_path, program.content(provideClusterInfo=True), cluster)


def test_the_length_of_a_token_is_no_limit(program: Program, tmp_path: Path) -> None:
    token = b64encode(b"x" * 100_000).decode()
    program.says(token=token)

    assert shown(tmp_path, program.content()) == f"Bearer {token}"
