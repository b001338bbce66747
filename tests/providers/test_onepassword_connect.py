"""A session with 1Password Connect, over TLS, against one that the vendor's SDK takes.

https://developer.1password.com/docs/connect/api-reference/
"""

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from tests.running import run
from tests.vaults.faults import Fault, bad_gateway, too_many, truncated
from tests.vaults.onepassword_connect import Connect, State, Token, forbidden_at_times
from tests.vaults.onepassword_items import (
    Item,
    ItemField,
    ItemFile,
    Place,
    code,
    id_of,
)
from tests.vaults.server import Server
from vaultferry.core.addresses import Exceptions
from vaultferry.core.document import Document
from vaultferry.core.errors import (
    AuthenticationFailed,
    Failure,
    PlaceForbidden,
    PlaceMissing,
    RateLimited,
    ReferenceInvalid,
    Unreachable,
    ValueInvalid,
)
from vaultferry.core.vaultconnection import TokenRef
from vaultferry.outbound import Outbound
from vaultferry.providers import onepassword_connect
from vaultferry.providers.onepassword_connect import PROVIDER, Session, Settings

TOKEN, CANARY = "canary-token", "canary-value"
SHOP, LIB = id_of("shop"), id_of("lib")
LOGIN, KEY = id_of("login"), id_of("key")
# Looks like an id, and is a title.
ODD = "abcdefghijklmnopqrstuvwxyz"
SEED = "otpauth://totp/Example?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Example"
PEM = Ed25519PrivateKey.generate().private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
)
SETTINGS = Settings(
    address="https://connect.example", token_secret_ref=TokenRef(name="t")
)


def state() -> State:
    login = Item(
        id=LOGIN,
        title="Login",
        sections={"sect": "Database"},
        fields=[
            ItemField(label="password", value=CANARY, purpose="PASSWORD"),
            ItemField(label="password", value="inner", id="inner", section="sect"),
            ItemField(label="user", value="me", type="STRING"),
            ItemField(label="one-time code", value=SEED, type="OTP", id="code"),
        ],
        files=[ItemFile(name="ca.pem", content=base64.b64encode(b"certificate"))],
    )
    key = ItemField(label="private key", value=PEM.decode(), type="SSHKEY")
    other = ItemField(label="password", value="odd")
    items = [
        login,
        Item(id=KEY, title="Key", fields=[key]),
        Item(id=id_of("odd"), title=ODD, fields=[other]),
        Item(id=id_of("one"), title="Twin"),
        Item(id=id_of("two"), title="twin"),
        Item(id=id_of("old"), title="Login", state="ARCHIVED"),
    ]
    vaults = [Place(id=SHOP, name="Web Shop", items=items), Place(id=LIB, name="Lib")]
    return State(vaults=vaults, tokens={TOKEN: Token(vaults=[SHOP])})


class World:
    """A Connect, and a session with it by a clock of its own."""

    def __init__(self, server: Server, outbound: Outbound) -> None:
        self.server = server
        self.now = 1000.0
        self._outbound = outbound
        self.session = self.opened()

    def opened(self, address: str = "", token: str = TOKEN) -> Session:
        settings = Settings(
            address=address or f"{self.server.url}/",
            ca_bundle=self.server.certificate,
            token_secret_ref=TokenRef(name="t"),
        )
        return Session(settings, token.encode(), self._outbound, lambda: self.now)

    @property
    def state(self) -> State:
        found: State = self.server.vault.state
        return found

    @property
    def shop(self) -> Place:
        return self.state.vaults[0]

    def calls(self) -> list[str]:
        """Return what was asked since the last time, without `/v1/vaults`."""
        paths = [entry.path.removeprefix("/v1/vaults") for entry in self.server.record]
        self.server.record.clear()
        for known, name in {SHOP: "shop", LOGIN: "login", ODD: "odd"}.items():
            paths = [path.replace(known, name) for path in paths]
        return paths

    async def get(self, place: str, known: Document | None = None) -> Document:
        self.now += 1.0
        return await self.session.fetch(place, known)

    async def value(self, reference: str) -> bytes | None:
        wanted = PROVIDER.find(SETTINGS, reference)
        return PROVIDER.pick(await self.get(wanted.place), wanted.key)


@asynccontextmanager
async def opened() -> AsyncIterator[World]:
    exceptions = Exceptions.parse(["https://127.0.0.0/8:*"])
    async with Server(Connect(state()), https=True) as server:
        outbound = Outbound(exceptions)
        try:
            yield World(server, outbound)
        finally:
            await outbound.close()


def told(story: Callable[[World], Awaitable[Any]]) -> Any:
    """Return what a story returns that is told of a world."""

    async def whole() -> Any:
        async with opened() as world:
            return await story(world)

    return run(whole())


def failed(
    prepare: Callable[[World], object], place: str = "web shop/login"
) -> Failure:
    """Return the failure of a fetch, which shows no value, token or word of Connect."""

    async def story(world: World) -> Failure:
        prepare(world)
        with pytest.raises(Failure) as caught:
            await world.get(place)
        shown = str(caught.value), repr(caught.value), repr(vars(caught.value))
        assert "canary" not in str(shown)
        assert caught.value.__context__ is None
        return caught.value

    found = told(story)
    assert isinstance(found, Failure)
    return found


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ("op://Web Shop/Login/password", CANARY.encode()),
        ("op://web shop/LOGIN/Password", CANARY.encode()),
        ("op://Web Shop/Login/Database/password", b"inner"),
        ("op://Web Shop/Login/sect/inner", b"inner"),
        (f"op://{SHOP}/{LOGIN}/password", CANARY.encode()),
        (f"op://Web Shop/{ODD}/password", b"odd"),
        (f"op://Web Shop/{ODD.upper()}/password", b"odd"),
        ("op://Web Shop/Login/one-time code", SEED.encode()),
        ("op://Web Shop/Login/ca.pem", b"certificate"),
        ("op://Web Shop/Key/private key", PEM),
        ("op://Web Shop/Login/other", None),
        ("op://Web Shop/Login/Database/ca.pem", None),
        ("op://Web Shop/Login/password?attribute=otp", None),
        ("op://Web Shop/Key/other?ssh-format=openssh", None),
    ],
)
def test_a_reference_brings_a_value(reference: str, value: bytes | None) -> None:
    assert told(lambda world: world.value(reference)) == value


@pytest.mark.parametrize("query", ["attribute=otp", "attribute=totp"])
def test_a_one_time_code_is_that_of_the_moment(query: str) -> None:
    async def story(world: World) -> None:
        for now in (1111111109, 1111111109 + 60):
            world.server.vault.ahead += now - world.server.vault.now
            found = await world.value(f"op://Web Shop/Login/one-time code?{query}")
            assert found in {code(SEED, t).encode() for t in (now, now + 30)}

    told(story)


def test_a_code_moves_only_the_place_of_those_who_want_codes() -> None:
    async def story(world: World) -> None:
        item, codes = "web shop/login", "web shop/login?otp"
        before = {place: await world.get(place) for place in (item, codes)}
        world.server.vault.ahead += 60

        after = {place: await world.get(place, before[place]) for place in before}

        assert after[item] is before[item]
        assert after[codes].values != before[codes].values
        assert after[codes].values.keys() == {"one-time code"}

    told(story)


def test_a_key_is_converted_for_openssh() -> None:
    async def story(world: World) -> None:
        reference = "op://Web Shop/Key/private key?ssh-format=openssh"
        found = await world.value(reference)
        assert found is not None
        assert found.startswith(b"-----BEGIN OPENSSH PRIVATE KEY-----\n")
        assert await world.value(reference) == found

        with pytest.raises(ValueInvalid, match="'password' holds no private key"):
            await world.value("op://Web Shop/Login/password?ssh-format=openssh")

    told(story)


def test_a_first_fetch_looks_names_up_and_one_of_what_is_the_same_is_one_call() -> None:
    async def story(world: World) -> None:
        first = await world.get("web shop/login")
        item = "/shop/items/login"
        content = f"{item}/files/{id_of('ca.pem')}/content"
        assert world.calls() == ["", "/shop/items", item, content]

        assert await world.get("web shop/login", first) is first
        assert world.calls() == [item]

        await world.get("web shop/key")
        assert world.calls() == [f"/shop/items/{KEY}"]

    told(story)


def test_an_item_by_its_id_needs_no_list_of_titles() -> None:
    async def story(world: World) -> None:
        await world.get(f"{SHOP}/{KEY}")
        assert world.calls() == ["", f"/shop/items/{KEY}"]

    told(story)


def test_a_title_that_looks_like_an_id_is_tried_as_one_once() -> None:
    async def story(world: World) -> None:
        found = f"/shop/items/{id_of('odd')}"
        await world.get(f"web shop/{ODD}")
        assert world.calls() == ["", "/shop/items/odd", "/shop/items", found]

        await world.get(f"web shop/{ODD}")
        assert world.calls() == [found]

    told(story)


def test_a_change_comes_with_the_next_fetch() -> None:
    async def story(world: World) -> None:
        before = await world.get("web shop/login")
        world.shop.put(LOGIN, "user", "changed")

        after = await world.get("web shop/login", before)

        assert after.values["user"] == b"changed"

    told(story)


def test_what_an_item_holds_is_told_with_names_wherever_it_was_asked_for() -> None:
    async def story(world: World) -> None:
        found = await world.get(f"{SHOP}/{LOGIN}")
        assert found.origins["Database.password"] == "Web Shop/Login/Database/password"
        assert found.origins.keys() >= found.values.keys()

    told(story)


def test_another_name_of_the_vault_is_seen_after_a_check_or_ten_minutes() -> None:
    async def story(world: World) -> None:
        before = await world.get(f"{SHOP}/{LOGIN}")
        world.shop.name = "Renamed"
        assert await world.get(f"{SHOP}/{LOGIN}", before) is before

        world.now += 600.0
        after = await world.get(f"{SHOP}/{LOGIN}", before)
        assert after.origins["password"] == "Renamed/Login/password"

        world.shop.name = "Again"
        await world.session.check()
        after = await world.get(f"{SHOP}/{LOGIN}", after)
        assert after.origins["password"] == "Again/Login/password"

    told(story)


@pytest.mark.parametrize("change", ["renamed", "deleted", "archived"])
def test_a_title_that_moved_to_another_item_is_followed_there(change: str) -> None:
    async def story(world: World) -> None:
        await world.get("web shop/login")
        old = world.shop.items[0]
        if change == "renamed":
            old.title = "Before"
        elif change == "archived":
            old.state = "ARCHIVED"
        else:
            world.shop.items.remove(old)
        field = ItemField(label="password", value="newer")
        world.shop.items.append(Item(id=id_of("new"), title="login", fields=[field]))
        world.calls()

        assert (await world.get("web shop/login")).values == {"password": b"newer"}
        assert "/shop/items" in world.calls()

    told(story)


def test_a_new_item_is_found_though_its_vault_was_listed_before() -> None:
    async def story(world: World) -> None:
        await world.get("web shop/login")
        world.shop.items.append(Item(id=id_of("new"), title="New"))

        assert (await world.get("web shop/new")).values == {}

    told(story)


def test_a_vault_that_the_token_was_given_just_now_is_found() -> None:
    async def story(world: World) -> None:
        await world.get("web shop/login")
        world.state.vaults[1].items.append(Item(id=id_of("new"), title="New"))
        world.state.tokens[TOKEN].vaults.append(LIB)

        assert (await world.get("lib/new")).values == {}

    told(story)


def archived(world: World) -> None:
    world.shop.items[0].state = "ARCHIVED"


def out_of_scope(world: World) -> None:
    world.state.tokens[TOKEN].vaults.clear()


def twice(world: World) -> None:
    world.state.vaults[1].name = "WEB shop"
    world.state.tokens[TOKEN].vaults.append(LIB)


def nothing(world: World) -> None:
    del world


@pytest.mark.parametrize(
    ("prepare", "place", "failure", "said"),
    [
        (nothing, "web shop/none", PlaceMissing, "no such item"),
        (nothing, f"web shop/{id_of('none')}", PlaceMissing, "no such item"),
        (archived, "web shop/login", PlaceMissing, "no such item"),
        (archived, f"{SHOP}/{LOGIN}", PlaceMissing, "no such item"),
        (out_of_scope, "web shop/login", PlaceForbidden, "no such vault"),
        (nothing, "lib/login", PlaceForbidden, "no such vault"),
        (nothing, f"{LIB}/login", PlaceForbidden, "no such vault"),
        (nothing, "none/login", PlaceForbidden, "no such vault"),
        (nothing, "web shop/twin", ReferenceInvalid, f"{id_of('one')!r}, "),
        (nothing, "web shop/twin", ReferenceInvalid, f"{id_of('two')!r}"),
        (twice, "web shop/login", ReferenceInvalid, f"{SHOP!r}, {LIB!r}"),
    ],
)
def test_what_is_not_there_is_said(
    prepare: Callable[[World], object], place: str, failure: type[Failure], said: str
) -> None:
    found = failed(prepare, place)

    assert type(found) is failure
    assert said in str(found)


def test_a_vault_that_goes_out_of_scope_is_forbidden_before_the_names_are_old() -> None:
    async def story(world: World) -> None:
        await world.get("web shop/login")
        out_of_scope(world)
        with pytest.raises(PlaceForbidden):
            await world.get("web shop/login")

    told(story)


def test_an_item_that_is_gone_is_missed_by_one_look_at_the_titles() -> None:
    async def story(world: World) -> None:
        await world.get("web shop/key")
        world.shop.items = [i for i in world.shop.items if i.id != KEY]
        world.calls()
        with pytest.raises(PlaceMissing):
            await world.get("web shop/key")
        assert world.calls().count("/shop/items") == 1

    told(story)


@pytest.mark.parametrize("times", [1, 2])
def test_what_is_forbidden_now_and_then_is_asked_for_again(times: int) -> None:
    async def story(world: World) -> None:
        world.server.faults = [forbidden_at_times(times)]
        await world.get("web shop/login")
        assert [entry.status for entry in world.server.record][: times + 1] == [
            *[403] * times,
            200,
        ]

    told(story)


def forbidding(path: str) -> Callable[[World], object]:
    def prepare(world: World) -> None:
        fault = forbidden_at_times(3)
        fault.path, fault.matches = "", lambda entry: entry.path.endswith(path)
        world.server.faults = [fault]

    return prepare


@pytest.mark.parametrize(
    ("path", "failure"),
    [
        ("/v1/vaults", AuthenticationFailed),
        ("/items", PlaceForbidden),
        (f"/{LOGIN}", PlaceForbidden),
        ("/content", PlaceForbidden),
    ],
)
def test_what_is_forbidden_three_times_is_believed(
    path: str, failure: type[Failure]
) -> None:
    assert type(failed(forbidding(path))) is failure


def answering(*faults: Fault) -> Callable[[World], object]:
    def prepare(world: World) -> None:
        world.server.faults = list(faults)

    return prepare


def saying(text: str, path: str = "") -> Callable[[World], object]:
    headers = {"content-type": "application/json"}
    fault = Fault(status=200, headers=headers, body=text)
    fault.matches = lambda entry: entry.path.endswith(path)
    return answering(fault)


@pytest.mark.parametrize(
    ("prepare", "detail"),
    [
        (answering(bad_gateway()), "http-502"),
        (answering(truncated()), "no-item"),
        (answering(Fault(reset=True)), "reset"),
        (answering(Fault(reset=True, path=f"/v1/vaults/{SHOP}/items")), "reset"),
        (answering(Fault(status=400, body="{}")), "http-400"),
        (answering(Fault(status=302, headers={"location": "/canary"})), "http-302"),
        (saying('{"canary": 1}'), "no-item"),
        (saying('[{"id": "canary"}]'), "no-item"),
        (saying('{"canary": 1}', "/items"), "no-item"),
        (saying('["canary"]', f"/{LOGIN}"), "no-item"),
        (
            saying('{"id":"canary","title":"Login","version":"canary"}', f"/{LOGIN}"),
            "no-item",
        ),
        (
            saying(
                f'{{"id":"{LOGIN}","title":"Login","version":1,"fields":'
                '[{"id":"canary"},{"id":"canary"}]}',
                f"/{LOGIN}",
            ),
            "no-item",
        ),
        (
            saying(
                f'{{"id":"{LOGIN}","title":"Login","version":1,"fields":'
                r'[{"id":"a","value":"canary\ud800"}]}',
                f"/{LOGIN}",
            ),
            "no-item",
        ),
        (answering(Fault(size=9 * 2**20, status=200)), "too-large"),
    ],
)
def test_what_is_no_answer_of_connect_is_the_connections(
    prepare: Callable[[World], object], detail: str
) -> None:
    found = failed(prepare)

    assert isinstance(found, Unreachable)
    assert found.detail == detail


def test_a_token_that_is_not_taken_is_the_connections() -> None:
    assert isinstance(failed(lambda w: w.state.tokens.clear()), AuthenticationFailed)


def test_a_limit_is_told_with_its_wait() -> None:
    found = failed(answering(too_many(retry_after=7)))

    assert isinstance(found, RateLimited)
    assert found.wait == 7.0


def test_a_vault_with_too_many_items_wants_their_ids() -> None:
    def many(world: World) -> None:
        fault = Fault(status=200, size=9 * 2**20)
        fault.matches = lambda entry: entry.path.endswith("/items")
        world.server.faults = [fault]

    found = failed(many)
    assert isinstance(found, ReferenceInvalid)
    assert "write its id" in str(found)
    assert told(lambda world: world.get(f"{SHOP}/{LOGIN}")).values


def test_a_file_that_is_not_fetched_is_refused_where_it_is_meant() -> None:
    async def story(world: World) -> None:
        large = base64.b64encode(bytes(256 * 1024 + 1))
        world.shop.items[0].files.append(ItemFile(name="large", content=large))
        assert await world.value("op://Web Shop/Login/ca.pem") == b"certificate"
        with pytest.raises(ReferenceInvalid, match="256 KiB"):
            await world.value("op://Web Shop/Login/large")

    told(story)


def test_a_file_that_connect_finds_too_large_is_not_fetched() -> None:
    async def story(world: World) -> None:
        fault = Fault(status=413, body="{}")
        fault.matches = lambda entry: entry.path.endswith("/content")
        world.server.faults = [fault]
        found = await world.get("web shop/login")
        assert "ca.pem (not fetched)" in found.values

    told(story)


def test_a_file_that_goes_while_its_item_is_read_is_the_places() -> None:
    fault = Fault(status=404, body="{}")
    fault.matches = lambda entry: entry.path.endswith("/content")

    assert isinstance(failed(answering(fault)), PlaceMissing)


def test_a_check_proves_the_token() -> None:
    async def story(world: World) -> None:
        await world.session.check()
        assert world.calls() == [""]

        world.state.tokens.clear()
        with pytest.raises(AuthenticationFailed):
            await world.session.check()

        world.server.faults = [forbidden_at_times(3)]
        with pytest.raises(AuthenticationFailed):
            await world.session.check()

        await world.server.refuse()
        with pytest.raises(Unreachable):
            await world.session.check()
        await world.server.listen()

    told(story)


def test_a_path_before_the_api_is_kept() -> None:
    async def story(world: World) -> None:
        session = world.opened(f"{world.server.url}/some/where/")
        with pytest.raises(Unreachable, match="cannot be reached"):
            await session.check()
        assert world.server.record[0].path == "/some/where/v1/vaults"

    told(story)


def test_what_is_no_token_opens_no_session() -> None:
    settings = Settings(
        address="https://a.example", token_secret_ref=TokenRef(name="t")
    )

    async def story() -> None:
        outbound = Outbound(Exceptions.parse([]))
        with pytest.raises(AuthenticationFailed):
            onepassword_connect.session(
                settings, {"token": b"canary\n token"}, outbound
            )
        onepassword_connect.session(settings, {"token": b" good\n"}, outbound)
        await outbound.close()

    run(story())


@pytest.mark.parametrize(
    ("reference", "place", "key", "canonical"),
    [
        ("op://Web Shop/Login/a", "web shop/login", "a", "web shop/login/"),
        ("op://v/i/S/F", "v/i", "S/F", "v/i/"),
        (f"op://v/{LOGIN}/f", f"v/{LOGIN}", "f", "v/"),
        (f"op://{SHOP}/i/f", f"{SHOP}/i", "f", ""),
        ("op://v/i/f?attribute=totp", "v/i?otp", "f", "v/i/"),
        ("op://v/i/f?ssh-format=openssh", "v/i", "f?openssh", "v/i/"),
    ],
)
def test_a_reference_names_its_place_in_one_form(
    reference: str, place: str, key: str, canonical: str
) -> None:
    wanted = PROVIDER.find(SETTINGS, reference)

    assert (wanted.place, wanted.key, wanted.canonical) == (place, key, canonical)


@pytest.mark.parametrize("reference", ["", "canary", "op://v/i", "op://v/i/f?type=x"])
def test_a_reference_that_is_none_is_refused(reference: str) -> None:
    with pytest.raises(ReferenceInvalid):
        PROVIDER.find(SETTINGS, reference)


def test_a_whole_item_is_a_place() -> None:
    assert PROVIDER.whole(SETTINGS, "op://Web Shop/Login") == "web shop/login"
    for path in ("", "op://v", "op://v/i/f"):
        with pytest.raises(ReferenceInvalid):
            PROVIDER.whole(SETTINGS, path)
