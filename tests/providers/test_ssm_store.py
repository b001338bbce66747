"""Parameter Store as a store, against one that the vendor's command takes for real."""

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import pytest

from tests.running import run
from tests.vaults.faults import Fault, bad_gateway, too_many
from tests.vaults.judges import Judge, judging
from tests.vaults.limiter import Rate
from tests.vaults.server import Server
from tests.vaults.ssm import ParameterStore, State, refused
from vaultferry.core.addresses import Exceptions
from vaultferry.core.errors import (
    AuthenticationFailed,
    Conflict,
    Failure,
    NotStorable,
    RateLimited,
    StoreInvalid,
    StoreRefused,
    Unreachable,
)
from vaultferry.core.model import understood
from vaultferry.core.provider import Store
from vaultferry.outbound import Outbound
from vaultferry.providers import _ssm_store, aws_ssm
from vaultferry.providers._ssm_store import check
from vaultferry.providers.aws_ssm import PROVIDER, Settings

REGION = "eu-west-1"
CANARY = "canary-of-the-store"
TOKEN = {"access_key_id": b"AKIACANARYID", "secret_access_key": b"canary-secret"}
TAGS = {"vaultferry.dev/name": "db", "vaultferry.dev/installation": "a-b:c"}
Asked = Callable[[Store], Awaitable[Any]]


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with judging() as started:
        yield started


@pytest.fixture(scope="module")
def started() -> Iterator[Server]:
    with Server(ParameterStore(), https=True).beside() as server:
        yield server


@pytest.fixture
def server(started: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The one of this module; parameters that are there stay."""
    monkeypatch.setattr(_ssm_store, "_WRITE_SECONDS", 0.0)
    started.record.clear()
    started.faults = []
    started.vault.state = State()
    return started


def settings(**given: Any) -> Settings:
    needed = {"region": REGION, "credentialsSecretRef": {"name": "aws"}}
    return understood(Settings, needed | given)


def ask(server: Server, what: Asked, **given: Any) -> Any:
    """Have a store do something.

    Args:
        server: where it is.
        what: what it is to do.
        given: more settings of the connection.
    """
    keeping = PROVIDER.keeping
    assert keeping is not None

    async def asked() -> Any:
        outbound = Outbound(Exceptions.parse(["https://127.0.0.0/8:*"]))
        at = settings(address=server.url, caBundle=server.certificate, **given)
        try:
            return await what(keeping.store(aws_ssm.session(at, TOKEN, outbound)))
        finally:
            await outbound.close()

    return run(asked())


def failed(server: Server, what: Asked) -> Failure:
    with pytest.raises(Failure) as caught:
        ask(server, what)
    assert CANARY not in f"{caught.value}{caught.value!r}"
    return caught.value


def seen(judge: Judge, server: Server, name: str) -> Any:
    """Return a parameter as the vendor's client sees it."""
    call = ("ssm", server.url, REGION, "get_parameters")
    said = judge.ask(*call, Names=[name], WithDecryption=True)
    server.record.clear()
    found = said["ok"]["Parameters"]
    return found[0] if found else None


def keys(judge: Judge, server: Server, path: str) -> dict[str, str]:
    """Return the key that each parameter below a path is encrypted by."""
    below = [{"Key": "Name", "Option": "BeginsWith", "Values": [f"{path}/"]}]
    call = ("ssm", server.url, REGION, "describe_parameters")
    described = judge.ask(*call, ParameterFilters=below)["ok"]["Parameters"]
    return {each["Name"]: each["KeyId"] for each in described}


def operations(server: Server) -> list[str]:
    return [entry.operation for entry in server.record]


def create(name: str, value: str = CANARY) -> Asked:
    return lambda store: store.create(name, value.encode(), TAGS)


async def replace(name: str, store: Store) -> None:
    await store.replace(name, CANARY.encode())


CALLS: dict[str, Asked] = {
    "ListTagsForResource": lambda store: store.tags("/faults/a"),
    "GetParameters": lambda store: store.read(["/faults/a"]),
    "PutParameter": lambda store: store.replace("/faults/a", CANARY.encode()),
    "DeleteParameters": lambda store: store.delete(["/faults/a"]),
}


def test_what_is_created_is_a_secure_string_of_the_standard_tier_with_its_tags(
    judge: Judge, server: Server
) -> None:
    ask(server, create("/made/a", "ü\n"))
    assert operations(server) == ["PutParameter"]

    found = seen(judge, server, "/made/a")
    assert (found["Type"], found["Value"], found["Version"]) == (
        "SecureString",
        "ü\n",
        1,
    )
    described = judge.ask("ssm", server.url, REGION, "describe_parameters")["ok"]
    [tier] = [e["Tier"] for e in described["Parameters"] if e["Name"] == "/made/a"]
    assert tier == "Standard"
    assert ask(server, lambda store: store.tags("/made/a")) == TAGS


def test_values_are_encrypted_by_the_key_of_the_store_whenever_they_are_written(
    judge: Judge, server: Server
) -> None:
    alias = "alias/shop"
    ask(server, create("/keys/a"), kmsKeyId=alias)
    ask(server, create("/keys/b"))
    for name in "ab":
        replacing = partial(replace, f"/keys/{name}")
        ask(server, replacing, kmsKeyId=alias)

    assert keys(judge, server, "/keys") == dict.fromkeys(("/keys/a", "/keys/b"), alias)


def test_without_a_key_of_its_own_a_store_has_that_of_aws(
    judge: Judge, server: Server
) -> None:
    ask(server, create("/keys/aws/a"))

    assert keys(judge, server, "/keys/aws") == {"/keys/aws/a": "alias/aws/ssm"}


def test_what_is_there_is_not_created_again_and_is_named(
    judge: Judge, server: Server
) -> None:
    ask(server, create("/twice/a", "first"))

    failure = failed(server, create("/twice/a"))

    assert isinstance(failure, Conflict)
    assert "/twice/a" in str(failure)
    assert seen(judge, server, "/twice/a")["Value"] == "first"


def test_what_is_replaced_is_the_next_version_and_keeps_its_tags(
    judge: Judge, server: Server
) -> None:
    ask(server, create("/again/a"))
    ask(server, lambda store: store.replace("/again/a", b"second"))

    found = seen(judge, server, "/again/a")
    assert (found["Value"], found["Version"]) == ("second", 2)
    assert ask(server, lambda store: store.tags("/again/a")) == TAGS


def test_nothing_has_no_tags_and_what_is_of_somebody_else_its_own(
    judge: Judge, server: Server
) -> None:
    given = {"Name": "/theirs/a", "Value": "x", "Type": "String"}
    judge.ask("ssm", server.url, REGION, "put_parameter", **given)

    assert ask(server, lambda store: store.tags("/theirs/a")) == {}
    assert ask(server, lambda store: store.tags("/theirs/b")) is None


def test_ten_are_read_and_deleted_by_a_call_as_far_as_they_are_there(
    server: Server,
) -> None:
    names = [f"/many/p{number:02}" for number in range(12)]
    for name in names[:11]:
        ask(server, create(name, name))
    server.record.clear()

    found = ask(server, lambda store: store.read(names))
    assert found == {name: name.encode() for name in names[:11]}
    ask(server, lambda store: store.delete(names))
    assert ask(server, lambda store: store.read(names)) == {}
    assert operations(server) == [
        *["GetParameters"] * 2,
        *["DeleteParameters"] * 2,
        *["GetParameters"] * 2,
    ]


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize(
    ("kind", "failure"),
    [
        ("AccessDeniedException", StoreRefused),
        ("InvalidKeyId", StoreRefused),
        ("KMSAccessDeniedException", StoreRefused),
        ("ValidationException", StoreRefused),
        ("ParameterLimitExceeded", StoreRefused),
        ("ParameterMaxVersionLimitExceeded", StoreRefused),
        ("HierarchyTypeMismatchException", StoreRefused),
        ("ThrottlingException", RateLimited),
        ("TooManyUpdates", RateLimited),
        ("ExpiredTokenException", AuthenticationFailed),
        ("InternalServerError", Unreachable),
    ],
)
def test_each_refusal_says_whose_matter_it_is(
    operation: str, kind: str, failure: type[Failure], server: Server
) -> None:
    server.faults = [refused(kind, operation)]

    assert type(failed(server, CALLS[operation])) is failure


@pytest.mark.parametrize("operation", CALLS)
def test_a_vault_that_does_not_answer_well_is_of_the_connection(
    operation: str, server: Server
) -> None:
    server.faults = [bad_gateway()]
    assert isinstance(failed(server, CALLS[operation]), Unreachable)
    server.faults = [too_many()]
    assert isinstance(failed(server, CALLS[operation]), RateLimited)


@pytest.mark.parametrize("body", ["{}", '{"TagList": {}, "Parameters": 7}', "[]"])
@pytest.mark.parametrize("operation", ["ListTagsForResource", "GetParameters"])
def test_an_answer_without_what_was_asked_for_is_none(
    operation: str, body: str, server: Server
) -> None:
    server.faults = [Fault(name="said", status=200, body=body)]

    assert isinstance(failed(server, CALLS[operation]), Unreachable)


def test_no_more_is_written_than_aws_allows(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    server.vault.state = State(writes=Rate(limit=3, seconds=1))

    async def four(store: Store) -> None:
        for number in range(4):
            await store.create(f"/paced/{number}", b"x", TAGS)

    ask(server, four)


# What is checked before any call


@pytest.mark.parametrize(
    "value", [b"x", b"x" * 4096, "é".encode() * 2048, b"{{ not closed", b"a\n\tb"]
)
def test_a_text_of_4096_bytes_is_kept(value: bytes) -> None:
    check("/p/team/db", "token", value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"x" * 4097, "has 4097 bytes, and Parameter Store keeps at most 4096"),
        ("é".encode() * 2049, "has 4098 bytes"),
        (b"\xff\xfe", "is no text"),
        (b"a\0b", "is no text"),
        (b"", "is no text"),
        (b"a {{ssm:other}} b", "has a text in {{ }}"),
        (b"{{\n}}", "has a text in {{ }}"),
    ],
)
def test_what_aws_does_not_take_is_refused_by_the_name_of_the_field(
    value: bytes, words: str
) -> None:
    with pytest.raises(NotStorable, match="field token") as caught:
        check("/p/team/db", "token", value)

    assert words in str(caught.value)
    assert "take out spec.storeRef" in str(caught.value)


@pytest.mark.parametrize("prefix", ["/p", "/a-b_c.D", "/p" * 12, "/notaws", "/x/aws"])
def test_a_name_that_aws_takes_is_one(prefix: str) -> None:
    check(f"{prefix}/team/db.example", "Tls.crt_1-2", b"x")


@pytest.mark.parametrize(
    "prefix",
    ["/aws", "/AWS-x", "/ssm/a", "p", "/a//b", "/ä", "/p" * 13, "/" + "p" * 930],
)
def test_a_name_that_aws_does_not_take_is_refused(prefix: str) -> None:
    with pytest.raises(NotStorable, match="field token"):
        check(f"{prefix}/team/db", "token", b"x")


def test_a_longest_name_is_short_enough_for_any_arn() -> None:
    arn = "arn:aws-iso-b:ssm:" + "r" * 32 + ":123456789012:parameter"
    path = "/" + "p" * (938 - len("//t"))

    check(path, "t", b"x")
    assert len(f"{arn}{path}/t") == 1011
    with pytest.raises(NotStorable):
        check(f"{path}p", "t", b"x")


def test_a_store_has_a_path_and_says_that_it_is_one() -> None:
    keeping = PROVIDER.keeping
    assert keeping is not None
    store = settings(store=True, pathPrefix="/p")

    assert keeping.path(store, "team", "db") == "/p/team/db"
    assert keeping.address(store) == "https://ssm.eu-west-1.amazonaws.com"
    for other in (settings(pathPrefix="/p"), settings(store=True)):
        with pytest.raises(StoreInvalid, match="set store: true and a pathPrefix"):
            keeping.path(other, "team", "db")


@pytest.mark.parametrize(
    ("canonical", "lets"),
    [
        ("/p/team/db/token", True),
        ("/p/team/", True),
        ("/p/team", False),
        ("/p/", False),
        ("/p/teams/db/token", False),
        ("/p/other/db/token", False),
        ("/q/team/db/token", False),
    ],
)
def test_of_a_store_a_namespace_reads_its_own_part(
    canonical: str, *, lets: bool
) -> None:
    store = settings(store=True, pathPrefix="/p")

    assert PROVIDER.lets(store, "team", canonical) == lets
    assert PROVIDER.lets(settings(pathPrefix="/p"), "team", canonical)
