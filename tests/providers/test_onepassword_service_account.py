"""A session with 1Password as a service account, against a stand-in for the SDK."""

import asyncio
import base64
import gc
import threading
import time
from functools import partial
from typing import Any

import pytest

from tests.running import run
from tests.vaults import service_account
from tests.vaults.onepassword_items import Item, ItemField, ItemFile, Place, code, id_of
from tests.vaults.service_account import FORBIDDEN, NOT_REACHED, REFUSED, Account
from vaultferry.core.addresses import Exceptions
from vaultferry.core.document import Document
from vaultferry.core.errors import (
    AuthenticationFailed,
    ConnectionNotReady,
    Failure,
    PlaceForbidden,
    PlaceMissing,
    RateLimited,
    ReferenceInvalid,
    Unreachable,
)
from vaultferry.core.vaultconnection import TokenRef
from vaultferry.outbound import Outbound
from vaultferry.providers import _onepassword_sdk
from vaultferry.providers import onepassword_service_account as module
from vaultferry.providers._onepassword_sdk import Sdk
from vaultferry.providers.onepassword_service_account import (
    PROVIDER,
    Session,
    Settings,
)

CANARY = "canary-value"
TEXT = "canary-text"
SHOP, LIB = id_of("shop"), id_of("lib")
LOGIN, OTHER = id_of("login"), id_of("other")
SEED = "otpauth://totp/Example?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Example"
SETTINGS = Settings(token_secret_ref=TokenRef(name="t"))
HOURS = 3600.0


def account() -> Account:
    login = Item(
        id=LOGIN,
        title="Login",
        sections={"sect": "Database"},
        fields=[
            ItemField(label="password", value=CANARY, purpose="PASSWORD"),
            ItemField(label="password", value="inner", id="inner", section="sect"),
            ItemField(label="one-time code", value=SEED, type="OTP", id="code"),
            ItemField(label="notesPlain", value="a note"),
            ItemField(label="empty", value=""),
        ],
        files=[
            ItemFile(name="ca.pem", content=base64.b64encode(b"certificate")),
            ItemFile(name="large", content=base64.b64encode(bytes(300 * 1024))),
        ],
    )
    items = [
        login,
        Item(id=OTHER, title="Other", fields=[ItemField(label="a", value="b")]),
        Item(id=id_of("one"), title="Twin"),
        Item(id=id_of("two"), title="twin"),
        Item(id=id_of("old"), title="Old", state="ARCHIVED"),
    ]
    inner = Item(id=id_of("inner"), title="X", fields=[ItemField(label="a", value="c")])
    vaults = [
        Place(id=SHOP, name="Web Shop", items=items),
        Place(id=LIB, name="Lib", items=[inner]),
        Place(id=id_of("lib two"), name="Same"),
        Place(id=id_of("lib three"), name="same"),
    ]
    return Account(vaults)


class World:
    """An account, and a session with it by a clock of its own."""

    def __init__(self) -> None:
        self.account = account()
        self.now = 1000.0
        self.session = self.opened(self.account.token)

    def opened(self, token: str) -> Session:
        return Session(Sdk(token, self.account.load), lambda: self.now)

    def calls(self) -> list[str]:
        calls = list(self.account.calls)
        self.account.calls.clear()
        return calls

    async def value(self, reference: str) -> bytes | None:
        wanted = PROVIDER.find(SETTINGS, reference)
        return PROVIDER.pick(await self.session.fetch(wanted.place, None), wanted.key)


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ("op://Web Shop/Login/password", CANARY.encode()),
        ("op://web shop/LOGIN/Password", CANARY.encode()),
        (f"op://{SHOP}/{LOGIN}/password", CANARY.encode()),
        ("op://Web Shop/Login/Database/password", b"inner"),
        ("op://Web Shop/Login/sect/inner", b"inner"),
        ("op://Web Shop/Login/notesPlain", b"a note"),
        ("op://Web Shop/Login/ca.pem", b"certificate"),
        ("op://Web Shop/Login/one-time code", SEED.encode()),
        ("op://Web Shop/Login/empty", None),
        ("op://Web Shop/Login/nothing", None),
    ],
)
def test_a_reference_leads_to_its_value(reference: str, value: bytes | None) -> None:
    assert run(World().value(reference)) == value


def test_a_one_time_code_is_the_present_one() -> None:
    found = run(World().value("op://Web Shop/Login/one-time code?attribute=otp"))

    now = time.time()
    assert found in {code(SEED, now - 30).encode(), code(SEED, now).encode()}


def test_the_file_of_a_document_is_one_of_its_files() -> None:
    world = World()
    paper = ItemFile(name="key.json", content=base64.b64encode(b"paper"))
    world.account.vaults[1].items.append(
        Item(id=id_of("paper"), title="Paper", category="DOCUMENT", files=[paper])
    )

    assert run(world.value("op://Lib/Paper/key.json")) == b"paper"


def test_where_a_value_is_from_is_told_by_names() -> None:
    world = World()

    async def story() -> str | None:
        wanted = PROVIDER.find(SETTINGS, f"op://{SHOP}/{LOGIN}/sect/inner")
        document = await world.session.fetch(wanted.place, None)
        return PROVIDER.origin(document, wanted.key)

    assert run(story()) == "Web Shop/Login/Database/password"


@pytest.mark.parametrize(
    ("place", "failure"),
    [
        ("nothing/login", PlaceForbidden),
        ("web shop/nothing", PlaceMissing),
        ("web shop/old", PlaceMissing),
        ("web shop/twin", ReferenceInvalid),
        ("same/login", ReferenceInvalid),
    ],
)
def test_what_no_single_item_is_called_is_the_places_failure(
    place: str, failure: type[Failure]
) -> None:
    with pytest.raises(failure):
        run(World().session.fetch(place, None))


def test_a_file_that_is_too_large_is_not_fetched() -> None:
    world = World()

    with pytest.raises(ReferenceInvalid, match="is not fetched"):
        run(world.value("op://Web Shop/Login/large"))
    assert world.calls().count("file") == 1


def test_what_did_not_change_costs_one_call_for_all() -> None:
    world = World()

    async def story() -> list[list[str]]:
        places = ["web shop/login", "web shop/other", "lib/x"]
        found = await world.session.fetch_several(dict.fromkeys(places))
        first = world.calls()
        assert all(isinstance(each, Document) for each in found.values())
        again = await world.session.fetch_several(found)  # type: ignore[arg-type]
        assert all(again[each] is found[each] for each in places)
        return [first, world.calls()]

    first, again = run(story())
    assert sorted(first) == [
        "authenticate",
        "file",
        "items 1",
        "items 2",
        "titles",
        "titles",
        "vaults",
    ]
    assert again == ["vaults"]


def test_a_change_is_fetched_and_what_is_beside_it_keeps_its_files() -> None:
    world = World()

    async def story() -> tuple[Document, list[str]]:
        places = ["web shop/login", "web shop/other"]
        found = await world.session.fetch_several(dict.fromkeys(places))
        world.calls()
        world.account.vaults[0].put(OTHER, "a", "new")
        again = await world.session.fetch_several(found)  # type: ignore[arg-type]
        login, other = (again[each] for each in places)
        assert isinstance(login, Document)
        assert isinstance(other, Document)
        assert isinstance(found["web shop/login"], Document)
        assert login.values is found["web shop/login"].values
        return other, world.calls()

    other, calls = run(story())
    assert other.values == {"a": b"new"}
    assert calls == ["vaults", "titles", "items 2"]


def test_a_renamed_vault_is_told_by_its_new_name() -> None:
    world = World()

    async def story() -> str | None:
        before = await world.session.fetch(f"{SHOP}/{OTHER}", None)
        world.account.vaults[0].name = "Shop"
        after = await world.session.fetch(f"{SHOP}/{OTHER}", before)
        return PROVIDER.origin(after, "a")

    assert run(story()) == "Shop/Other/a"


def test_now_and_then_everything_is_read_whatever_the_versions_say() -> None:
    world = World()

    async def story() -> bytes:
        before = await world.session.fetch("web shop/other", None)
        world.account.vaults[0].items[1].fields[0].value = "unnoticed"
        assert await world.session.fetch("web shop/other", before) is before
        world.now += 6 * HOURS
        after = await world.session.fetch("web shop/other", before)
        return after.values["a"]

    assert run(story()) == b"unnoticed"


def test_fifty_items_are_one_call() -> None:
    world = World()
    made = [
        Item(id=id_of(f"n{n}"), title=f"n{n}", fields=[ItemField(label="a", value="b")])
        for n in range(50)
    ]
    world.account.vaults[1].items = made
    places = [f"lib/n{n}" for n in range(50)]
    run(world.session.fetch_several(dict.fromkeys(places)))

    assert world.session.batch == 50
    assert all(world.session.shares(place) for place in places)
    assert world.calls() == ["authenticate", "vaults", "titles", "items 50"]


def test_one_item_that_is_not_understood_takes_no_other_with_it() -> None:
    world = World()
    world.account.spoilt.add(OTHER)
    places = ["web shop/login", "web shop/other", "web shop/nothing"]
    found = run(world.session.fetch_several(dict.fromkeys(places)))

    assert [type(found[place]) for place in places[1:]] == [Unreachable, PlaceMissing]
    assert isinstance(found["web shop/login"], Document)


def test_an_item_that_contradicts_itself_is_not_understood() -> None:
    world = World()
    twice = ItemField(label="password", value="x", id="same")
    world.account.vaults[1].items[0].fields = [twice, twice]

    with pytest.raises(Unreachable):
        run(world.session.fetch("lib/x", None))


def test_an_item_that_goes_between_two_calls_is_missing() -> None:
    world = World()

    def gone() -> None:
        if world.account.calls[-1].startswith("items"):
            world.account.vaults[0].items.clear()

    world.account.during = gone
    with pytest.raises(PlaceMissing):
        run(world.session.fetch("web shop/login", None))


SAID: list[tuple[Exception, type[Failure]]] = [
    (service_account.limited(), RateLimited),
    (Exception(f"rate limit exceeded {TEXT}"), RateLimited),
    (Exception(NOT_REACHED), Unreachable),
    (Exception(f"request timeout {TEXT}"), Unreachable),
    (Exception(f"internal server error {TEXT}"), Unreachable),
    (Exception(TEXT), Unreachable),
    (ImportError(TEXT), Unreachable),
    (OSError(TEXT), Unreachable),
    (ValueError(TEXT), Unreachable),
    (AttributeError(TEXT), Unreachable),
    (Exception(REFUSED + TEXT), AuthenticationFailed),
    (Exception(f"you are not authenticated {TEXT}"), AuthenticationFailed),
    (Exception(f"session expired {TEXT}"), AuthenticationFailed),
    (Exception(FORBIDDEN + TEXT), PlaceForbidden),
    (Exception(f"item couldn't be found {TEXT}"), PlaceMissing),
]


@pytest.mark.parametrize(("error", "failure"), SAID, ids=str)
@pytest.mark.parametrize("call", ["titles", "items", "file"])
def test_an_error_of_the_sdk_becomes_a_reason_and_not_a_word_of_it_is_left(
    error: Exception, failure: type[Failure], call: str
) -> None:
    world = World()

    def failing() -> None:
        if world.account.calls[-1].startswith(call):
            raise error

    world.account.during = failing
    with pytest.raises(failure) as caught:
        run(world.session.fetch("web shop/login", None))
    _check_silent(caught.value)


@pytest.mark.parametrize(("error", "failure"), SAID, ids=str)
def test_what_fails_before_any_vault_is_known_is_the_connections(
    error: Exception, failure: type[Failure]
) -> None:
    world = World()
    world.account.error = error
    for call in (world.session.check, lambda: world.session.fetch("a/b", None)):
        with pytest.raises(
            AuthenticationFailed
            if failure in {PlaceForbidden, PlaceMissing}
            else failure
        ) as caught:
            run(call())
        _check_silent(caught.value)


def _wait(event: threading.Event) -> None:
    event.wait(5.0)


def _check_silent(failure: BaseException | None) -> None:
    seen: list[BaseException] = []
    while failure is not None:
        seen.append(failure)
        failure = failure.__cause__ or failure.__context__
    assert not [each for each in seen if TEXT in f"{each!s} {each!r} {each.args}"]


def test_a_token_that_is_refused_is_shown_again_only_when_asked_again() -> None:
    world = World()
    world.session = world.opened("ops_other")
    for _ in range(2):
        with pytest.raises(AuthenticationFailed):
            run(world.session.check())

    assert world.calls() == ["authenticate", "authenticate"]


def test_a_client_that_is_no_longer_taken_is_made_anew() -> None:
    world = World()
    run(world.session.check())
    world.account.error = Exception("you are not authenticated")
    with pytest.raises(AuthenticationFailed):
        run(world.session.check())
    world.account.error = None
    world.calls()
    run(world.session.check())

    assert world.calls() == ["authenticate", "vaults"]


def test_a_check_is_one_call_and_rare() -> None:
    world = World()
    run(world.session.check())

    assert world.calls() == ["authenticate", "vaults"]
    assert PROVIDER.check_seconds == 6 * HOURS


def test_what_hangs_in_native_code_holds_up_nobody() -> None:
    world = World()
    free = threading.Event()
    world.account.during = partial(_wait, free)

    async def story() -> int:
        asked = asyncio.create_task(world.session.check())
        turns = 0
        while turns < 100:
            await asyncio.sleep(0)
            turns += 1
        assert not asked.done()
        free.set()
        await asked
        return turns

    assert run(story()) == 100


def test_what_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_onepassword_sdk, "_SECONDS", 0.05)
    world = World()
    free = threading.Event()
    world.account.during = partial(_wait, free)
    with pytest.raises(Unreachable) as caught:
        run(world.session.check())
    free.set()

    assert caught.value.detail == "timeout"


def test_a_session_that_is_dropped_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    world = World()
    run(world.session.check())
    [thread] = [each for each in threading.enumerate() if each not in before]
    del world
    gc.collect()
    thread.join(5.0)

    assert not thread.is_alive()


def test_what_comes_out_of_the_thread_shows_no_value() -> None:
    """It is the result of a task, which asyncio shows where it debugs."""
    shown: list[str] = []

    async def story() -> None:
        held = account()
        sdk = Sdk(held.token, held.load)
        said = asyncio.create_task(sdk._said(_value))  # noqa: SLF001 - the task's own
        await said
        shown.append(repr(said))

    async def _value(_client: object) -> bytes:
        return b"certificate"

    run(story())
    assert "result=" in shown[0]
    assert "certificate" not in shown[0]


def opened(token: str, *exceptions: str) -> Any:
    async def story() -> Session:
        outbound = Outbound(Exceptions.parse(exceptions))
        try:
            return module.session(SETTINGS, {"token": token.encode()}, outbound)
        finally:
            await outbound.close()

    return run(story())


def test_a_token_of_the_vendors_servers_is_taken() -> None:
    assert isinstance(opened(service_account.token()), Session)


@pytest.mark.parametrize(
    ("address", "exceptions"),
    [
        ("127.0.0.1:8443", []),
        ("https://my.1password.com@127.0.0.1", ["https://127.0.0.0/8"]),
        ("http://10.0.0.1", ["https://10.0.0.0/8"]),
        ("vault.example.com", ["https://0.0.0.0/0"]),
        ("169.254.169.254", ["https://0.0.0.0/0"]),
        ("vault.example.com:8443", ["https://vault.example.com"]),
    ],
)
def test_a_token_for_another_server_is_not_shown_to_the_sdk(
    address: str, exceptions: list[str]
) -> None:
    with pytest.raises(AuthenticationFailed, match="none of 1Password's") as caught:
        opened(service_account.token(address), *exceptions)
    assert address not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "exception"),
    [
        ("vault.example.com:8443", "https://vault.example.com:8443"),
        ("https://10.0.0.1", "https://10.0.0.0/8"),
        ("http://10.0.0.1:80", "http://10.0.0.0/8"),
    ],
)
def test_an_exception_of_the_operator_opens_another_server(
    address: str, exception: str
) -> None:
    assert isinstance(opened(service_account.token(address), exception), Session)


def test_without_the_sdk_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_onepassword_sdk, "find_spec", lambda _name: None)

    with pytest.raises(ConnectionNotReady, match=r"vaultferry\[onepassword\]"):
        opened(service_account.token())


@pytest.mark.parametrize("token", ["", "   ", "dp.st.x", "ops_x", "ops_a b"])
def test_what_is_no_token_is_refused_at_once(token: str) -> None:
    with pytest.raises(AuthenticationFailed):
        opened(token or " ")
