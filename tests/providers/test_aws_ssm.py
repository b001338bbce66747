"""Parameter Store, against one that the vendor's own command takes for the real one."""

import json
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from itertools import count
from math import inf
from typing import Any, TypeVar

import pytest

from tests.running import run
from tests.vaults.faults import Fault, bad_gateway, too_many, truncated
from tests.vaults.judges import Judge, judging
from tests.vaults.server import Server
from tests.vaults.ssm import ParameterStore, State, refused
from vaultferry.core.addresses import Exceptions
from vaultferry.core.document import Document
from vaultferry.core.errors import (
    AuthenticationFailed,
    Failure,
    InvalidSpec,
    PlaceForbidden,
    PlaceMissing,
    RateLimited,
    ReferenceInvalid,
    Unreachable,
    VaultFailure,
)
from vaultferry.core.model import understood
from vaultferry.core.provider import Batching
from vaultferry.outbound import Answer, Outbound
from vaultferry.places import Around, PlaceKey, Places
from vaultferry.providers import aws_ssm
from vaultferry.providers.aws_ssm import PROVIDER, Settings
from vaultferry.views import Key

REGION = "eu-west-1"
CANARY = "canary-of-the-store"
TOKEN = {
    "access_key_id": b"AKIACANARYID",
    "secret_access_key": b"canary-secret\n",
}
T = TypeVar("T")
Asked = Callable[[Any], Awaitable[T]]


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with judging() as started:
        yield started


@pytest.fixture(scope="module")
def started() -> Iterator[Server]:
    with Server(ParameterStore(), https=True).beside() as server:
        yield server


@pytest.fixture
def server(started: Server) -> Server:
    """The one of this module; parameters that are there stay."""
    started.record.clear()
    started.faults = []
    started.vault.state = State()
    return started


def settings(**given: Any) -> Settings:
    needed = {"region": REGION, "credentialsSecretRef": {"name": "aws"}}
    return understood(Settings, needed | given)


def ask(
    server: Server,
    what: Asked[T],
    token: Mapping[str, bytes] = TOKEN,
    bundle: str | None = None,
    **given: Any,
) -> T:
    """Have a session do something."""

    async def asked() -> T:
        outbound = Outbound(Exceptions.parse(["https://127.0.0.0/8:*"]))
        trust = {"caBundle": server.certificate if bundle is None else bundle}
        at = settings(address=server.url, **trust, **given)
        try:
            return await what(aws_ssm.session(at, token, outbound))
        finally:
            await outbound.close()

    return run(asked())


def fetch(server: Server, place: str, known: Document | None = None) -> Document:
    found: Document = ask(server, lambda session: session.fetch(place, known))
    return found


def several(server: Server, *places: str) -> Mapping[str, Document | Failure]:
    known = dict.fromkeys(places)
    return ask(server, lambda session: session.fetch_several(known))


def failed(server: Server, what: Asked[Any], **given: Any) -> Failure:
    with pytest.raises(Failure) as caught:
        ask(server, what, **given)
    return caught.value


def put(judge: Judge, server: Server, **values: str) -> None:
    named = {name.replace("__", "/"): value for name, value in values.items()}
    said = judge.ask("ssm_put", server.url, REGION, named)
    assert "error" not in said, said
    server.record.clear()


def change(judge: Judge, server: Server, call: str, **given: Any) -> None:
    said = judge.ask("ssm", server.url, REGION, call, **given)
    assert "error" not in said, said
    server.record.clear()


def operations(server: Server) -> list[str]:
    return [entry.operation for entry in server.record]


def test_a_parameter_is_fetched_decrypted_by_one_call(
    judge: Judge, server: Server
) -> None:
    put(judge, server, __one__a=CANARY)

    found = fetch(server, "/one/a")

    assert found.values == {"/one/a": CANARY.encode()}
    assert operations(server) == ["GetParameters"]
    assert [entry.method for entry in server.record] == ["POST"]


@pytest.mark.parametrize("kind", ["String", "StringList"])
def test_parameters_that_are_no_secrets_are_fetched_as_well(
    judge: Judge, server: Server, kind: str
) -> None:
    name, value = f"/kinds/{kind}", "a,b,ü"
    change(judge, server, "put_parameter", Name=name, Value=value, Type=kind)

    assert fetch(server, name).values == {name: value.encode()}


def test_what_did_not_change_is_what_is_known(judge: Judge, server: Server) -> None:
    put(judge, server, __same__a="1")
    before = fetch(server, "/same/a")

    assert fetch(server, "/same/a", before) is before
    put(judge, server, __same__a="2")
    after = fetch(server, "/same/a", before)
    assert after.values == {"/same/a": b"2"}


def test_a_parameter_that_was_made_anew_is_another_one(
    judge: Judge, server: Server
) -> None:
    put(judge, server, __anew__a="1")
    before = fetch(server, "/anew/a")
    change(judge, server, "delete_parameter", Name="/anew/a")
    put(judge, server, __anew__a="2")

    after = fetch(server, "/anew/a", before)

    assert before.tag == after.tag
    assert after.values == {"/anew/a": b"2"}


def test_an_absent_parameter_is_an_empty_answer(judge: Judge, server: Server) -> None:
    put(judge, server, __absent__a="1")

    found = several(server, "/absent/a", "/absent/b")

    assert [d.values for d in found.values() if isinstance(d, Document)] == [
        {"/absent/a": b"1"},
        {},
    ]
    assert fetch(server, "/absent/b").values == {}
    assert operations(server) == ["GetParameters"] * 2


def test_a_version_and_a_label_are_fetched_as_they_were(
    judge: Judge, server: Server
) -> None:
    for text in "123":
        put(judge, server, __versions__a=text)
    label = {"Name": "/versions/a", "ParameterVersion": 2, "Labels": ["good"]}
    change(judge, server, "label_parameter_version", **label)

    for end, value in ((":1", b"1"), (":good", b"2"), (":3", b"3"), ("", b"3")):
        place = f"/versions/a{end}"
        assert fetch(server, place).values == {place: value}


def test_a_version_may_be_part_of_the_name_in_the_answer(server: Server) -> None:
    server.faults = [_parameter(Name="/any/a:3")]

    assert fetch(server, "/any/a:3").values == {"/any/a:3": CANARY.encode()}


def test_a_version_that_is_not_there_is_missing(judge: Judge, server: Server) -> None:
    put(judge, server, __noversion__a="1")

    assert fetch(server, "/noversion/a:1").values == {"/noversion/a:1": b"1"}
    assert fetch(server, "/noversion/a:other").values == {}
    server.faults = [refused("ParameterVersionNotFound")]
    failure = failed(server, lambda session: session.fetch("/noversion/a:9", None))
    assert isinstance(failure, PlaceMissing)


def test_all_below_a_path_is_fetched_page_by_page(judge: Judge, server: Server) -> None:
    names = {f"__tree__p{number:02}": str(number) for number in range(23)}
    put(judge, server, **names, __tree__deep__er="x", __treehouse__a="y")

    found = fetch(server, "/tree/")

    wanted = {f"p{number:02}": str(number).encode() for number in range(23)}
    assert found.values == wanted | {"deep/er": b"x"}
    assert operations(server) == ["GetParametersByPath"] * 3
    assert fetch(server, "/tree/", found) is found


def test_a_path_without_parameters_is_an_empty_answer(server: Server) -> None:
    assert fetch(server, "/nothing/there/").values == {}


def test_a_page_that_fails_is_no_partial_answer(judge: Judge, server: Server) -> None:
    put(judge, server, **{f"__pages__p{number}": "x" for number in range(11)})
    fault = refused("ThrottlingException", "GetParametersByPath")
    server.faults = [fault.model_copy(update={"skip": 1})]

    failure = failed(server, lambda session: session.fetch("/pages/", None))

    assert isinstance(failure, RateLimited)


def test_a_path_that_never_ends_is_left(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_ssm, "_PAGE_SECONDS", 0.0)
    page = {"Parameters": [], "NextToken": "more"}
    server.faults = [_said(page)]

    failure = failed(server, lambda session: session.fetch("/endless/", None))

    assert isinstance(failure, ReferenceInvalid)
    assert "more than 1000 parameters" in str(failure)
    assert len(server.record) == 100


def test_two_hundred_parameters_cost_twenty_calls_at_first_and_each_time(
    judge: Judge, server: Server
) -> None:
    names = [f"/many/p{number}" for number in range(200)]
    put(judge, server, **{name.replace("/", "__"): "1" for name in names})
    way = Key("team", "aws")

    async def used(session: Any) -> list[int]:
        assert isinstance(session, Batching)
        due: dict[PlaceKey, float] = {}
        clock = _Clock()
        places = Places(
            lambda key, _: due.update({key: clock.now}),
            lambda _, __: None,
            lambda _: None,
            Around(lambda: clock.now, lambda: clock.now, lambda _: None),
        )
        places.connect(way, "first", session, -inf)
        for name in names:
            user = Key("team", name[1:])
            places.use(user, {PlaceKey(way, name): 3600.0})
            places.want(user, PlaceKey(way, name), -inf)
        calls = []
        for seconds in (5.0, 3600.0):
            server.record.clear()
            await clock.work(places, due, seconds)
            calls.append(len(server.record))
        found = [places.look(PlaceKey(way, name)).document for name in names]
        assert all(each and list(each.values.values()) == [b"1"] for each in found)
        return calls

    assert ask(server, used) == [20, 20]


class _Clock:
    """Time that passes when it is told to."""

    now = 1_000.0

    async def work(
        self, places: Places, due: dict[PlaceKey, float], seconds: float
    ) -> None:
        """Let time pass, and work on each place when it is due."""
        end = self.now + seconds
        while due and min(due.values()) <= end:
            key = min(due, key=lambda each: due[each])
            self.now = max(self.now, due.pop(key))
            due.setdefault(key, self.now + await places(key))
        self.now = end


def test_what_is_forbidden_is_found_among_those_that_share_a_call(
    judge: Judge, server: Server
) -> None:
    put(judge, server, __some__a="1", __some__b="2", __some__c="3")
    numbers = count()
    deny = refused("AccessDeniedException", "GetParameters")
    # The first call, and the second of those for one each.
    deny.matches = lambda _: next(numbers) in {0, 2}
    server.faults = [deny]

    found = several(server, "/some/a", "/some/b", "/some/c")

    assert isinstance(found["/some/b"], PlaceForbidden)
    others = [found["/some/a"], found["/some/c"]]
    assert [d.values for d in others if isinstance(d, Document)] == [
        {"/some/a": b"1"},
        {"/some/c": b"3"},
    ]
    assert operations(server) == ["GetParameters"] * 4


def test_what_is_of_the_connection_is_not_asked_for_one_by_one(server: Server) -> None:
    server.faults = [refused("ThrottlingException")]

    with pytest.raises(RateLimited):
        several(server, "/any/a", "/any/b")
    assert len(server.record) == 1


def test_what_is_of_the_connection_ends_the_asking_one_by_one(server: Server) -> None:
    server.faults = [
        refused("AccessDeniedException", times=1),
        refused("ThrottlingException"),
    ]

    with pytest.raises(RateLimited):
        several(server, "/any/a", "/any/b", "/any/c")
    assert len(server.record) == 2


def test_only_parameters_as_they_are_now_share_calls(server: Server) -> None:
    async def told_of(session: Any) -> list[bool]:
        places = ("/a/b", "name", "/a/b:3", "/a/b:good", "/a/b/")
        return [session.shares(place) for place in places]

    assert ask(server, told_of) == [True, True, False, False, False]


REFUSALS: dict[str, type[Failure]] = {
    "ThrottlingException": RateLimited,
    "AccessDeniedException": PlaceForbidden,
    "InvalidKeyId": PlaceForbidden,
    "KMSDisabledException": PlaceForbidden,
    "KMSInvalidStateException": PlaceForbidden,
    "ParameterNotFound": PlaceMissing,
    "ParameterVersionNotFound": PlaceMissing,
    "ValidationException": PlaceMissing,
    "com.amazon.coral.validate#ValidationException": PlaceMissing,
    "UnrecognizedClientException": AuthenticationFailed,
    "ExpiredTokenException": AuthenticationFailed,
    "InvalidSignatureException": AuthenticationFailed,
    "com.amazon.coral.service#InvalidSignatureException": AuthenticationFailed,
    "IncompleteSignature": AuthenticationFailed,
    "MissingAuthenticationTokenException": AuthenticationFailed,
    "SomethingNewException": Unreachable,
}


@pytest.mark.parametrize("place", ["/any/a", "/any/"], ids=["one", "all"])
@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refusal_is_told_by_its_name(server: Server, kind: str, place: str) -> None:
    fault = refused(kind)
    server.faults = [fault.model_copy(update={"body": _with_canary(fault.body)})]

    failure = failed(server, lambda session: session.fetch(place, None))

    assert type(failure) is REFUSALS[kind]
    assert "canary" not in f"{failure!r} {failure} {failure.__context__}".lower()


def _with_canary(body: str) -> str:
    return json.dumps(json.loads(body) | {"message": CANARY})


def _said(document: object, status: int = 200) -> Fault:
    return Fault(name="said", status=status, body=json.dumps(document))


def _parameter(**given: object) -> Fault:
    one = {"Name": "/any/a", "Value": CANARY, "Version": 1} | given
    return _said({"Parameters": [one]})


BAD: dict[str, tuple[Fault, type[VaultFailure], str]] = {
    "502": (bad_gateway(), Unreachable, "http-502"),
    "500": (_said({"__type": "InternalServerError"}, 500), Unreachable, "http-500"),
    "a redirect": (_said({}, 302), Unreachable, "http-302"),
    "403 without a name": (_said([], 403), AuthenticationFailed, ""),
    "400 in HTML": (Fault(status=400, body="<html>"), Unreachable, "http-400"),
    "429": (too_many(retry_after=7), RateLimited, ""),
    "truncated": (truncated(), Unreachable, "no-json"),
    "a list": (_said([CANARY]), Unreachable, "no-parameters"),
    "nothing": (_said({}), Unreachable, "no-parameters"),
    "no list": (_said({"Parameters": CANARY}), Unreachable, "no-parameters"),
    "no value": (_said({"Parameters": [{"Name": "x"}]}), Unreachable, "no-parameters"),
    "a number": (_parameter(Value=5), Unreachable, "no-parameters"),
    "no text": (_parameter(Value="\ud800" + CANARY), Unreachable, "no-unicode"),
    "too long": (_parameter(Value="x" * 2**20), Unreachable, "too-large"),
}


@pytest.mark.parametrize("place", ["/any/a", "/any/"], ids=["one", "all"])
@pytest.mark.parametrize("how", BAD)
def test_an_answer_that_is_none_is_the_connections(
    server: Server, how: str, place: str
) -> None:
    fault, kind, detail = BAD[how]
    server.faults = [fault.model_copy()]

    failure = failed(server, lambda session: session.fetch(place, None))

    assert type(failure) is kind
    assert isinstance(failure, VaultFailure)
    assert failure.detail == detail
    assert failure.wait == (7 if how == "429" else 0)
    assert "canary" not in f"{failure!r} {failure} {failure.__context__}".lower()


def test_a_check_is_not_taken_in_by_what_is_no_answer(server: Server) -> None:
    server.faults = [_said([])]

    assert isinstance(failed(server, lambda session: session.check()), Unreachable)


def test_what_is_not_below_the_path_is_not_taken_for_it(server: Server) -> None:
    server.faults = [_parameter(Name="/other/a")]

    failure = failed(server, lambda session: session.fetch("/any/", None))

    assert isinstance(failure, Unreachable)


def test_a_store_with_another_certificate_is_not_reached(server: Server) -> None:
    failure = failed(server, lambda session: session.check(), bundle=_OTHER.certificate)

    assert isinstance(failure, Unreachable)
    assert server.record == []


_OTHER = Server(ParameterStore(), https=True)


@pytest.mark.parametrize("kind", ["", "AccessDeniedException", "ValidationException"])
def test_whoever_is_told_that_it_may_not_has_shown_who_it_is(
    server: Server, kind: str
) -> None:
    server.faults = [refused(kind)] if kind else []

    ask(server, lambda session: session.check(), pathPrefix="/app")

    assert operations(server) == ["GetParameters"]


@pytest.mark.parametrize("kind", ["ExpiredTokenException", "ThrottlingException"])
def test_a_check_fails_where_the_store_does_not_do(server: Server, kind: str) -> None:
    server.faults = [refused(kind)]

    failure = failed(server, lambda session: session.check())

    assert type(failure) is REFUSALS[kind]


@pytest.mark.parametrize("key", ["access_key_id", "secret_access_key", "session_token"])
@pytest.mark.parametrize(
    "value", [b" \n", b"a b", b"a\r\nX: canary", b"\xc3\xa9", b"\0"]
)
def test_keys_that_cannot_be_any_are_refused_by_name(
    server: Server, key: str, value: bytes
) -> None:
    failure = failed(server, lambda _: _never(), token=TOKEN | {key: value})

    assert isinstance(failure, AuthenticationFailed)
    assert str(failure) == f"{key} has characters that no token has"
    assert server.record == []


async def _never() -> None:
    raise AssertionError


def test_neither_values_nor_keys_are_logged(
    judge: Judge, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    put(judge, server, __logged__a=CANARY)
    token = TOKEN | {"session_token": b"canary-of-a-role"}
    with caplog.at_level(logging.DEBUG):
        found = ask(server, lambda session: session.fetch("/logged/a", None), token)
        shown = ask(server, _repr, token)

    assert found.values == {"/logged/a": CANARY.encode()}
    assert "canary" not in f"{caplog.text} {found!r} {shown}".lower()


async def _repr(session: Any) -> str:
    return f"{session!r} {vars(session)!r}"


@pytest.mark.parametrize(
    ("region", "address"),
    [
        ("eu-west-1", "https://ssm.eu-west-1.amazonaws.com"),
        ("us-gov-west-1", "https://ssm.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "https://ssm.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_a_region_has_a_public_endpoint(region: str, address: str) -> None:
    outbound = _Listening(Exceptions.parse([]))
    run(aws_ssm.session(settings(region=region), TOKEN, outbound).check())

    [(method, url, headers, _)] = outbound.heard
    assert (method, url) == ("POST", f"{address}/")
    assert headers["Host"] == address.removeprefix("https://")


@pytest.mark.parametrize(("place", "path"), [("/a/b/", "/a/b"), ("/", "/")])
def test_a_path_is_sent_without_a_slash_at_its_end(place: str, path: str) -> None:
    outbound = _Listening(Exceptions.parse([]))
    run(aws_ssm.session(settings(), TOKEN, outbound).fetch(place, None))

    assert [json.loads(body)["Path"] for *_, body in outbound.heard] == [path]


class _Listening(Outbound):
    """Calls nobody, and finds no parameters."""

    def __init__(self, exceptions: Exceptions) -> None:
        super().__init__(exceptions)
        self.heard: list[tuple[str, str, Mapping[str, str], bytes]] = []

    async def request(self, method: str, url: str, **given: Any) -> Answer:
        self.heard.append((method, url, given["headers"], given["body"]))
        return Answer(200, {}, b'{"Parameters": []}')


NONE, APP = settings(), settings(pathPrefix="/app/prod")


def test_a_version_of_a_mapping_is_one_of_the_reference() -> None:
    assert PROVIDER.versioned is not None

    assert PROVIDER.versioned(APP, "db/p", 3) == PROVIDER.find(APP, "db/p:3")
    with pytest.raises(ReferenceInvalid):
        PROVIDER.versioned(APP, "db/p:2", 3)


@pytest.mark.parametrize(
    ("at", "reference", "place", "canonical"),
    [
        (NONE, "/app/prod/db", "/app/prod/db", "/app/prod/db"),
        (NONE, "name", "name", "name"),
        (NONE, "/a-b/c_d/e.f:12", "/a-b/c_d/e.f:12", "/a-b/c_d/e.f"),
        (NONE, "name:good", "name:good", "name"),
        (APP, "db", "/app/prod/db", "/app/prod/db"),
        (APP, "db/password:3", "/app/prod/db/password:3", "/app/prod/db/password"),
        (APP, "/app/prod/db", "/app/prod/db", "/app/prod/db"),
        (NONE, "/a" * 15, "/a" * 15, "/a" * 15),
    ],
)
def test_a_reference_is_the_name_of_a_parameter(
    at: Settings, reference: str, place: str, canonical: str
) -> None:
    found = PROVIDER.find(at, reference)

    assert (found.place, found.key, found.canonical) == (place, place, canonical)
    assert PROVIDER.canonical(at, found.place, found.key) == canonical


@pytest.mark.parametrize("at", [NONE, APP], ids=["all", "below"])
@pytest.mark.parametrize(
    "reference",
    [
        "",
        "/",
        "//a",
        "/a//b",
        "/a/",
        "a/",
        "a b",
        "/a/ü",
        "/a/*",
        "/a\n",
        "/a:",
        "/a:0",
        "/a:1:2",
        "/a:1a",
        "/a:b c",
        "arn:aws:ssm:eu-west-1:123456789012:parameter/a",
        "/a" * 16,
        "/" + "a" * 1011,
    ],
)
def test_what_is_no_reference_is_refused(at: Settings, reference: str) -> None:
    with pytest.raises(ReferenceInvalid):
        PROVIDER.find(at, reference)


@pytest.mark.parametrize(
    "reference", ["/app", "/app/prod", "/app/production/db", "/other/db", "/app/dev/db"]
)
def test_a_reference_beside_the_path_of_the_connection_is_refused(
    reference: str,
) -> None:
    with pytest.raises(ReferenceInvalid, match="what is below /app/prod"):
        PROVIDER.find(APP, reference)


def test_a_name_with_a_slash_begins_with_one_where_there_is_no_path() -> None:
    with pytest.raises(ReferenceInvalid):
        PROVIDER.find(NONE, "db/password")


@pytest.mark.parametrize(
    ("at", "path", "place"),
    [
        (NONE, "/", "/"),
        (NONE, "/app", "/app/"),
        (NONE, "/app/", "/app/"),
        (APP, "", "/app/prod/"),
        (APP, "/", "/app/prod/"),
        (APP, "db", "/app/prod/db/"),
        (APP, "db/", "/app/prod/db/"),
        (APP, "/app/prod", "/app/prod/"),
        (APP, "/app/prod/db/", "/app/prod/db/"),
    ],
)
def test_all_keys_are_those_below_a_path(at: Settings, path: str, place: str) -> None:
    assert PROVIDER.whole(at, path) == place
    assert PROVIDER.canonical(at, place, "x/y") == f"{place}x/y"


@pytest.mark.parametrize(
    ("at", "path"),
    [
        (NONE, ""),
        (NONE, "app"),
        (NONE, "//"),
        (NONE, "/app//"),
        (NONE, "/app:3"),
        (APP, "/app"),
        (APP, "/app/production"),
        (APP, "//"),
        (APP, "a b"),
    ],
)
def test_a_path_that_is_none_or_is_beside_the_connections_is_refused(
    at: Settings, path: str
) -> None:
    with pytest.raises(ReferenceInvalid):
        PROVIDER.whole(at, path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"region": "eu-west-1.evil.example/"},
        {"region": "EU"},
        {"address": "https://host/path"},
        {"address": "https://user@host"},
        {"address": "ftp://host"},
        {"pathPrefix": "app"},
        {"pathPrefix": "/app/"},
        {"pathPrefix": "/"},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(wrong: dict[str, str]) -> None:
    [field] = wrong

    with pytest.raises(InvalidSpec, match=field):
        settings(**wrong)


def test_the_address_may_have_a_port_or_be_one_of_ip_6() -> None:
    for address in ("https://[::1]:4566", "http://localhost:4566/", "https://a.b"):
        assert settings(address=address).address == address
