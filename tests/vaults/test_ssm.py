import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.vaults import judges
from tests.vaults.limiter import Rate
from tests.vaults.process import running
from tests.vaults.server import Server
from tests.vaults.ssm import ParameterStore, State, refused

SECURE = ("--type", "SecureString")


@pytest.fixture(scope="module")
def started() -> Iterator[Server]:
    with Server(ParameterStore()).beside() as server:
        yield server


@pytest.fixture
def server(started: Server) -> Server:
    """The one of this module; parameters that are there stay."""
    started.record.clear()
    started.faults = []
    started.vault.state = State()
    return started


def done(url: str, *arguments: str, **variables: str) -> Any:
    """Run the vendor's command."""
    given = {
        "AWS_ACCESS_KEY_ID": "made-up",
        "AWS_SECRET_ACCESS_KEY": "made-up",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL_SSM": url,
        "AWS_MAX_ATTEMPTS": "1",
    }
    script = str(judges.packages() / "bin" / "aws")
    return judges.done(sys.executable, script, "ssm", *arguments, **given | variables)


def said(server: Server, *arguments: str, **variables: str) -> Any:
    found: subprocess.CompletedProcess[str] = done(server.url, *arguments, **variables)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout or "null")


def put(server: Server, name: str, value: str, *more: str, **variables: str) -> Any:
    place = ("put-parameter", "--name", name, "--value", value)
    return said(server, *place, *SECURE, *more, **variables)


def test_the_command_writes_and_reads_a_secret(server: Server) -> None:
    written = put(server, "/some/one", "made-up-1")
    again = put(server, "/some/one", "made-up-2", "--overwrite")
    get = ("get-parameter", "--name", "/some/one")
    plain, sealed = said(server, *get, "--with-decryption"), said(server, *get)

    assert (written["Version"], again["Version"]) == (1, 2)
    assert plain["Parameter"]["Value"] == "made-up-2"
    assert plain["Parameter"]["Version"] == 2
    assert sealed["Parameter"]["Value"] != "made-up-2"
    assert [entry.operation for entry in server.record] == ["PutParameter"] * 2 + [
        "GetParameter"
    ] * 2


def test_the_command_reads_several_and_hears_of_the_absent(server: Server) -> None:
    put(server, "/several/a", "made-up-1")

    found = said(server, "get-parameters", "--names", "/several/a", "/several/b")
    below = said(server, "get-parameters-by-path", "--path", "/several")

    assert [each["Name"] for each in found["Parameters"]] == ["/several/a"]
    assert found["InvalidParameters"] == ["/several/b"]
    assert [each["Name"] for each in below["Parameters"]] == ["/several/a"]


def test_the_command_tags_what_it_makes(server: Server) -> None:
    put(server, "/tagged", "made-up-1", "--tags", "Key=owner,Value=me")

    tags = said(
        server,
        "list-tags-for-resource",
        "--resource-type",
        "Parameter",
        "--resource-id",
        "/tagged",
    )

    assert tags["TagList"] == [{"Key": "owner", "Value": "me"}]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("get-parameter", "--name", "/absent"), "ParameterNotFound"),
        (("get-parameter", "--name", "/there:99"), "ParameterVersionNotFound"),
        (
            ("put-parameter", "--name", "/there", "--value", "x", *SECURE),
            "ParameterAlreadyExists",
        ),
    ],
)
def test_the_command_is_refused(
    server: Server, arguments: tuple[str, ...], error: str
) -> None:
    put(server, "/there", "made-up-1", "--overwrite")

    found = done(server.url, *arguments)

    assert found.returncode != 0
    assert f"({error})" in found.stderr


def test_a_value_is_limited_in_bytes(server: Server) -> None:
    name = ("put-parameter", *SECURE, "--name", "/large")

    standard = done(server.url, *name, "--value", "é" * 2049)
    advanced = put(server, "/larger", "é" * 4096, "--tier", "Advanced")

    assert "(ValidationException)" in standard.stderr
    assert advanced["Version"] == 1


def test_the_command_asks_again_when_it_is_throttled(server: Server) -> None:
    server.faults = [refused("ThrottlingException", "PutParameter", times=2)]

    put(server, "/throttled", "made-up-1", AWS_MAX_ATTEMPTS="5")

    assert [entry.status for entry in server.record] == [400, 400, 200]


def test_the_command_is_throttled_by_a_limit(server: Server) -> None:
    server.vault.state.reads = Rate(limit=1, seconds=600)
    names = ("get-parameters", "--names", "/any")

    first, second = (done(server.url, *names) for _ in range(2))
    put(server, "/not/limited", "made-up-1")

    assert first.returncode == 0
    assert "(ThrottlingException)" in second.stderr


def test_the_command_is_denied(server: Server) -> None:
    server.faults = [refused("AccessDeniedException", "GetParameter")]

    found = done(server.url, "get-parameter", "--name", "/any")

    assert "(AccessDeniedException)" in found.stderr


def test_a_store_runs_in_a_process_of_its_own() -> None:
    names = ("get-parameters", "--names", "/any")
    with running("ssm", State()) as vault:
        vault.do(
            refused("AccessDeniedException", "PutParameter"),
            refused("ThrottlingException", "GetParameters", times=1),
        )
        throttled, found = (done(vault.url, *names) for _ in range(2))

        assert "(ThrottlingException)" in throttled.stderr
        assert found.returncode == 0
        assert [entry.status for entry in vault.requests()] == [400, 200]
