"""How Parameter Store is read with a role, of a ServiceAccount or of the operator.

The client is told of a proxy, which leads the public names of AWS to a fake of it.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from traceback import format_exception
from typing import Any

import pytest
from aiohttp import web

from tests.providers.accounts import Issuing, refusals
from tests.providers.infisical import Clock
from tests.providers.test_infisical import failure
from tests.running import run
from tests.vaults import jwt
from tests.vaults.faults import Fault
from tests.vaults.judges import judging
from tests.vaults.server import Server
from tests.vaults.ssm import ParameterStore, refused
from tests.vaults.tunnel import Tunnel, tunnelling
from vaultferry.core.addresses import Exceptions
from vaultferry.core.errors import (
    AuthenticationFailed,
    ConnectionNotReady,
    Failure,
    RateLimited,
    Unreachable,
)
from vaultferry.core.model import understood
from vaultferry.core.provider import Account, Ambient
from vaultferry.outbound import Outbound
from vaultferry.providers import aws_ssm
from vaultferry.providers.aws_ssm import PROVIDER, Settings

REGION = "eu-west-1"
ROLE = "arn:aws:iam::123456789012:role/canary-role"
STS, SSM = (f"{service}.{REGION}.amazonaws.com:443" for service in ("sts", "ssm"))
NAME = "/shop/password"
ID = "canary-access-key-id"


@pytest.fixture(scope="module")
def started() -> Iterator[Server]:
    with Server(ParameterStore(), https=True).beside() as server:
        with judging() as judge:
            judge.ask("ssm_put", server.url, REGION, {NAME: "canary"})
        yield server


@pytest.fixture
def server(started: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A fake of AWS, whose certificate is taken for a public one."""
    trusted = tmp_path / "public.pem"
    trusted.write_text(started.certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    started.record.clear()
    started.faults = []
    return started


@dataclass(frozen=True)
class There:
    """A way to the fake, and what it is asked."""

    server: Server
    tunnel: Tunnel
    outbound: Outbound
    clock: Clock = field(default_factory=Clock)

    def session(self, environ: Mapping[str, str], region: str = REGION) -> Any:
        given = {name: text.encode() for name, text in environ.items()}
        settings = settings_of(region=region)
        return aws_ssm.session(settings, given, self.outbound, self.clock)

    @property
    def asked(self) -> list[str]:
        """The operations; a login is none of Parameter Store's."""
        return [entry.operation or "login" for entry in self.server.record]


def settings_of(**given: Any) -> Settings:
    return understood(Settings, {"region": REGION} | given)


def within(server: Server, story: Callable[[There], Awaitable[None]]) -> None:
    """Run a story beside the fake."""

    async def told() -> None:
        async with tunnelling(server.port) as tunnel:
            outbound = Outbound(Exceptions(), tunnel.url)
            try:
                await story(There(server, tunnel, outbound))
            finally:
                await outbound.close()

    run(told())


def token_file(folder: Path, audience: object, name: str = "token") -> str:
    """Return the path of a token as the kubelet writes it."""
    path = folder / name
    path.write_text(jwt.write({"aud": audience, "sub": "canary-sub"}) + "\n")
    return str(path)


def role(folder: Path, audience: object = ("sts.amazonaws.com",)) -> dict[str, str]:
    """Return the environment of a pod whose ServiceAccount has a role."""
    return {
        "AWS_ROLE_ARN": ROLE,
        "AWS_WEB_IDENTITY_TOKEN_FILE": token_file(folder, audience),
        "AWS_REGION": REGION,
    }


def test_a_parameter_is_read_by_a_role_at_the_public_endpoints(
    server: Server, tmp_path: Path
) -> None:
    async def story(there: There) -> None:
        session = there.session(role(tmp_path))

        found = await session.fetch(NAME, None)

        assert found.values == {NAME: b"canary"}
        assert there.tunnel.hosts == [STS, SSM]
        assert there.asked == ["login", "GetParameters"]

    within(server, story)


def test_all_sessions_share_the_login_and_it_is_made_anew_before_it_expires(
    server: Server, tmp_path: Path
) -> None:
    async def story(there: There) -> None:
        sessions = [there.session(role(tmp_path)) for _ in range(3)]
        for session in sessions:
            await session.check()
        there.clock.now += 3560.0
        await sessions[0].check()
        assert there.asked.count("login") == 1

        there.clock.now += 20.0
        for session in sessions:
            await session.check()
        assert there.asked.count("login") == 2

    within(server, story)


def test_where_the_environment_names_no_region_it_is_that_of_the_connection(
    server: Server, tmp_path: Path
) -> None:
    async def story(there: There) -> None:
        environ = role(tmp_path)
        del environ["AWS_REGION"]

        await there.session(environ).check()

        assert there.tunnel.hosts[0] == STS

    within(server, story)


def test_credentials_that_are_refused_are_exchanged_anew_the_next_time(
    server: Server, tmp_path: Path
) -> None:
    async def story(there: There) -> None:
        session = there.session(role(tmp_path))
        there.server.faults = [refused("ExpiredTokenException", "GetParameters", 1)]
        assert type(await failure(session.check())) is AuthenticationFailed

        await session.check()

        assert there.asked == ["login", "GetParameters"] * 2

    within(server, story)


API = "https://kubernetes.default.svc"


@pytest.mark.parametrize(
    "audience",
    [
        [API],
        API,
        ["sts.amazonaws.com", API],
        ["pods.eks.amazonaws.com"],
        [],
        None,
        {"sts.amazonaws.com": 1},
        [["sts.amazonaws.com"]],
    ],
    ids=str,
)
def test_a_token_that_is_for_anybody_else_is_not_sent(
    server: Server, tmp_path: Path, audience: object
) -> None:
    async def story(there: There) -> None:
        session = there.session(role(tmp_path, audience))

        found = await failure(session.check())

        assert type(found) is ConnectionNotReady
        assert "canary" not in "".join(format_exception(found))
        assert there.tunnel.hosts == []

    within(server, story)


@pytest.mark.parametrize("text", ["", "no token", "a.b.c", "a.W10.c", "žluť", None])
def test_a_file_without_a_token_is_said(
    server: Server, tmp_path: Path, text: str | None
) -> None:
    environ = role(tmp_path)
    path = Path(environ["AWS_WEB_IDENTITY_TOKEN_FILE"])
    path.unlink()
    if text is not None:
        path.write_text(text)

    async def story(there: There) -> None:
        found = await failure(there.session(environ).check())

        assert type(found) is ConnectionNotReady
        assert there.tunnel.hosts == []

    within(server, story)


@pytest.mark.parametrize("lacks", [["AWS_ROLE_ARN"], ["AWS_WEB_IDENTITY_TOKEN_FILE"]])
def test_an_operator_without_an_identity_opens_no_session(
    server: Server, tmp_path: Path, lacks: list[str]
) -> None:
    async def story(there: There) -> None:
        environ = {k: v for k, v in role(tmp_path).items() if k not in lacks}
        with pytest.raises(ConnectionNotReady, match="name a Secret"):
            there.session(environ)

    within(server, story)


def said(status: int, code: str) -> Fault:
    """Return a fault by which STS refuses."""
    body = f"<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>"
    return Fault(status=status, body=body, matches=lambda entry: not entry.operation)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (said(400, "InvalidIdentityToken"), AuthenticationFailed),
        (said(400, "ExpiredTokenException"), AuthenticationFailed),
        (said(403, "AccessDenied"), AuthenticationFailed),
        (said(400, "IDPCommunicationError"), Unreachable),
        (said(400, "Throttling"), RateLimited),
        (said(503, "ServiceUnavailable"), Unreachable),
        (said(200, "Nothing"), Unreachable),
    ],
    ids=lambda value: str(value.body)[28:50] if isinstance(value, Fault) else "",
)
def test_a_login_that_goes_wrong_is_the_fault_of_the_connection(
    server: Server, tmp_path: Path, fault: Fault, kind: type[Failure]
) -> None:
    async def story(there: There) -> None:
        there.server.faults = [fault]
        session = there.session(role(tmp_path))

        for _ in range(2):
            assert type(await failure(session.check())) is kind

        # What was refused is not tried again for a minute.
        assert len(there.asked) == 1 + (kind is not AuthenticationFailed)
        assert "GetParameters" not in there.asked

    within(server, story)


def given(**more: str) -> dict[str, str]:
    """Return what an agent answers."""
    later = "2999-01-01T00:00:00Z"
    keys = {"AccessKeyId": ID, "SecretAccessKey": "canary-key", "Token": "canary-t"}
    return {**keys, "Expiration": later, **more}


@dataclass
class Agent:
    """An agent on this machine, and what it was asked."""

    answer: dict[str, str]
    status: int = 200
    url: str = ""
    shown: list[str] = field(default_factory=list)

    async def serve(self, request: web.Request) -> web.Response:
        self.shown.append(request.headers["Authorization"])
        return web.json_response(self.answer, status=self.status)


@asynccontextmanager
async def serving(agent: Agent) -> AsyncIterator[Agent]:
    app = web.Application()
    app.router.add_get("/v1/credentials", agent.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    agent.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/credentials"
    try:
        yield agent
    finally:
        await runner.cleanup()


def pod_identity(
    folder: Path, url: str, audience: object = ("pods.eks.amazonaws.com",)
) -> dict[str, str]:
    """Return the environment of a pod with an EKS Pod Identity."""
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": url,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": token_file(folder, audience),
    }


def test_a_parameter_is_read_by_what_the_agent_of_the_node_gives(
    server: Server, tmp_path: Path
) -> None:
    async def story(there: There) -> None:
        async with serving(Agent(given())) as agent:
            session = there.session(pod_identity(tmp_path, agent.url))

            found = await session.fetch(NAME, None)

        assert found.values == {NAME: b"canary"}
        shown.extend(agent.shown)
        assert there.tunnel.hosts == [SSM]

    shown: list[str] = []
    within(server, story)
    assert shown == [(tmp_path / "token").read_text().strip()]


def test_a_token_for_anybody_else_is_not_shown_to_the_agent(
    server: Server, tmp_path: Path
) -> None:
    async def story(there: There) -> None:
        async with serving(Agent(given())) as agent:
            environ = pod_identity(tmp_path, agent.url, [API])
            found = await failure(there.session(environ).check())

        assert type(found) is ConnectionNotReady
        assert agent.shown == []

    within(server, story)


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/v1/credentials",
        "http://169.254.170.2/v1/credentials",
        "http://10.0.0.1/v1/credentials",
        "http://localhost/v1/credentials",
        "https://169.254.170.23/v1/credentials",
        "http://[bad/v1/credentials",
    ],
)
def test_what_is_not_an_agent_is_not_asked(
    server: Server, tmp_path: Path, url: str
) -> None:
    async def story(there: There) -> None:
        began = time.monotonic()
        found = await failure(there.session(pod_identity(tmp_path, url)).check())

        assert isinstance(found, Unreachable)
        assert found.detail == "refused-address"
        assert time.monotonic() - began < 1

    within(server, story)


@pytest.mark.parametrize(
    ("agent", "kind"),
    [
        (Agent({}, status=401), AuthenticationFailed),
        (Agent({}, status=500), Unreachable),
        (Agent({}), Unreachable),
        (Agent(given(Token="")), Unreachable),
        (Agent(given(Expiration="soon")), Unreachable),
        (Agent(given(Expiration="2001-01-01T00:00:00Z")), Unreachable),
        (Agent(given(Token="x" * 70_000)), Unreachable),
    ],
    ids=["401", "500", "empty", "partial", "no time", "expired", "too large"],
)
def test_an_agent_that_gives_nothing_is_the_fault_of_the_connection(
    server: Server, tmp_path: Path, agent: Agent, kind: type[Failure]
) -> None:
    async def story(there: There) -> None:
        async with serving(agent):
            session = there.session(pod_identity(tmp_path, agent.url))
            found = await failure(session.check())

        assert type(found) is kind
        assert "canary" not in "".join(format_exception(found)) + str(vars(found))
        assert there.tunnel.hosts == []

    within(server, story)


def test_an_agent_that_is_not_there_is_the_fault_of_the_connection(
    server: Server, tmp_path: Path
) -> None:
    async def story(there: There) -> None:
        async with serving(Agent({})) as agent:
            pass
        session = there.session(pod_identity(tmp_path, agent.url))

        assert type(await failure(session.check())) is Unreachable

    within(server, story)


ELSEWHERE = [{"address": "https://x.example.com"}, {"caBundle": "x"}]


@pytest.mark.parametrize("more", ELSEWHERE, ids=["address", "bundle"])
def test_what_the_operator_is_goes_to_no_address_of_a_tenant(
    more: dict[str, str],
) -> None:
    section = {"region": REGION, **more}
    keys = {"credentialsSecretRef": {"name": "aws"}}

    assert "public endpoint" in refusals("awsSsm", section)
    assert refusals("awsSsm", {**section, **keys}) == ""
    with pytest.raises(ConnectionNotReady, match="public endpoint"):
        PROVIDER.token(settings_of(**more))


WEB = {"roleArn": ROLE, "serviceAccountRef": {"name": "reader"}}


def opened(there: There, issue: Issuing) -> Any:
    """Return a session of a ServiceAccount that has a role."""
    settings = settings_of(webIdentity=WEB)
    return aws_ssm.session(settings, issue, there.outbound, there.clock)


def test_a_parameter_is_read_by_the_role_of_a_service_account(server: Server) -> None:
    async def story(there: There) -> None:
        issue = Issuing("vaultferry.dev/aws")
        sessions = [opened(there, issue), opened(there, issue)]

        for session in sessions:
            assert (await session.fetch(NAME, None)).values == {NAME: b"canary"}

        assert there.tunnel.hosts[0] == STS
        assert there.asked == ["login", "GetParameters", "GetParameters"]
        assert len(issue.issued) == 1

    within(server, story)


def test_a_role_is_taken_again_by_a_fresh_token(server: Server) -> None:
    async def story(there: There) -> None:
        issue = Issuing("vaultferry.dev/aws")
        session = opened(there, issue)
        await session.check()
        there.clock.now += 3580.0
        await session.check()
        assert len(issue.issued) == 2

        there.clock.now += 3580.0
        issue.failure = ConnectionNotReady("no consent any more")
        asked = len(there.asked)
        assert await failure(session.check()) is issue.failure
        assert len(there.asked) == asked

    within(server, story)


def test_another_account_takes_a_role_by_itself(server: Server) -> None:
    async def story(there: There) -> None:
        for _ in range(2):
            await opened(there, Issuing("vaultferry.dev/aws")).check()

        assert there.asked.count("login") == 2

    within(server, story)


def test_the_token_of_an_account_is_in_no_failure(server: Server) -> None:
    async def story(there: There) -> None:
        there.server.faults = [said(400, "InvalidIdentityToken")]
        issue = Issuing("vaultferry.dev/aws")

        found = await failure(opened(there, issue).check())

        assert type(found) is AuthenticationFailed
        assert issue.issued[0] not in "".join(format_exception(found))

    within(server, story)


def test_the_credential_of_a_role_is_the_account_with_an_audience_of_its_own() -> None:
    account = PROVIDER.token(settings_of(webIdentity=WEB))

    assert isinstance(account, Account)
    assert (account.name, account.audience) == ("reader", "vaultferry.dev/aws")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"webIdentity": WEB}, ""),
        ({"webIdentity": WEB, **ELSEWHERE[0]}, ""),
        (
            {"webIdentity": WEB, "credentialsSecretRef": {"name": "aws"}},
            "names two credentials",
        ),
        ({"webIdentity": WEB | {"roleArn": "arn:aws:iam::1:user/x"}}, "roleArn"),
    ],
)
def test_a_role_stands_in_place_of_keys(more: dict[str, Any], words: str) -> None:
    complaints = refusals("awsSsm", {"region": REGION, **more})

    assert words in complaints
    assert bool(complaints) is bool(words)


def test_without_a_secret_the_credential_is_what_the_operator_is() -> None:
    assert refusals("awsSsm", {"region": REGION}) == ""
    found = PROVIDER.token(settings_of())

    assert isinstance(found, Ambient)
    assert {name.partition("_")[0] for name in found.variables} == {"AWS"}
