import base64
from collections.abc import Iterator
from typing import Any

import pytest

from tests.vaults import raw
from tests.vaults.faults import bad_gateway
from tests.vaults.judges import Judge
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

TOKEN, OTHER = "made-up-token", "made-up-other"
SHOP, LIB, GONE = id_of("shop"), id_of("lib"), id_of("gone")
LOGIN, TWIN, KEY = id_of("login"), id_of("twin"), id_of("key")
# Looks like an id, and is a title.
ODD = "abcdefghijklmnopqrstuvwxyz"
# From RFC 6238, and so are the times and codes below.
SEED = "otpauth://totp/Example?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Example"


@pytest.fixture
def server() -> Iterator[Server]:
    login = Item(
        id=LOGIN,
        title="Login",
        category="LOGIN",
        tags=["team-a"],
        sections={"sect": "Database"},
        fields=[
            ItemField(label="username", value="made-up-1", type="STRING"),
            ItemField(label="password", value="made-up-2", purpose="PASSWORD"),
            ItemField(label="password", value="made-up-3", id="inner", section="sect"),
            ItemField(label="host", value="made-up-7", section="sect"),
            ItemField(label="one-time code", value=SEED, type="OTP", id="code"),
        ],
        files=[
            ItemFile(name="some.txt", content=base64.b64encode(b"made-up-4")),
            ItemFile(name="large.txt", content=base64.b64encode(b"x" * 2000)),
        ],
    )
    key = ItemField(label="private key", value="made-up-5", type="SSHKEY")
    items = [
        login,
        Item(id=TWIN, title="Twin"),
        Item(id=id_of("other twin"), title="Twin"),
        Item(id=KEY, title="Key", category="SSH_KEY", fields=[key]),
        Item(id=id_of("odd"), title=ODD),
        Item(id=id_of("quoted"), title='say "hi"'),
    ]
    state = State(
        vaults=[Place(id=SHOP, name="Shop", items=items), Place(id=LIB, name="Lib")],
        tokens={TOKEN: Token(vaults=[SHOP, GONE]), OTHER: Token(vaults=[SHOP, LIB])},
        inline_bytes=1000,
    )
    with Server(Connect(state)).beside() as server:
        yield server


def sdk(
    judge: Judge, server: Server, call: str, *given: str, token: str = TOKEN
) -> dict[str, Any]:
    return judge.ask("connect", server.url, token, call, *given)


def get(server: Server, path: str, token: str = TOKEN, **query: str) -> raw.Got:
    bearer = {"authorization": f"Bearer {token}"}
    return raw.ask("GET", server.url + path, query, None, bearer)


def test_the_sdk_finds_the_vaults_that_its_token_reaches(
    server: Server, judge: Judge
) -> None:
    some, all_ = (
        sdk(judge, server, "get_vaults", token=token)["ok"] for token in (TOKEN, OTHER)
    )

    assert [each["name"] for each in some] == ["Shop"]
    assert [each["name"] for each in all_] == ["Shop", "Lib"]


def test_the_sdk_finds_a_vault_by_its_name(server: Server, judge: Judge) -> None:
    found = sdk(judge, server, "get_vault_by_title", "Shop")["ok"]
    unseen = sdk(judge, server, "get_vault_by_title", "Lib")

    assert found["id"] == SHOP
    assert "Found 0 vaults" in unseen["text"]


def test_the_sdk_does_not_reach_a_vault_out_of_scope(
    server: Server, judge: Judge
) -> None:
    said = sdk(judge, server, "get_item", LOGIN, LIB)
    seen = sdk(judge, server, "get_vault", LIB, token=OTHER)

    assert "Received 403" in said["text"]
    assert f"vault {LIB} is not in scope" in said["text"]
    assert seen["ok"]["name"] == "Lib"


def test_the_sdk_finds_an_item_by_names(server: Server, judge: Judge) -> None:
    found = sdk(judge, server, "get_item", "Login", "Shop")["ok"]

    assert (found["id"], found["vault"]["id"]) == (LOGIN, SHOP)
    assert found["sections"] == [{"id": "sect", "label": "Database"}]
    assert [each["id"] for each in found["fields"]] == [
        "username",
        "password",
        "inner",
        "host",
        "code",
    ]


def test_the_sdk_finds_an_item_whose_title_looks_like_an_id(
    server: Server, judge: Judge
) -> None:
    found = sdk(judge, server, "get_item", ODD, SHOP)["ok"]

    assert found["id"] == id_of("odd")
    assert [entry.status for entry in server.record] == [404, 200, 200]


def test_the_sdk_finds_fields_by_section_and_label(
    server: Server, judge: Judge
) -> None:
    place = {"opvault": SHOP, "opitem": "Login"}
    wanted = {
        "outer": place | {"opfield": ".password"},
        "inner": place | {"opfield": "Database.host"},
    }

    found = judge.ask("connect_load", server.url, TOKEN, wanted)["ok"]

    assert found == {"outer": "made-up-2", "inner": "made-up-7"}


def test_the_sdk_finds_one_title_twice(server: Server, judge: Judge) -> None:
    listed = sdk(judge, server, "get_items", SHOP, 'title eq "Twin"')["ok"]
    one = sdk(judge, server, "get_item_by_title", "Twin", SHOP)

    assert {each["id"] for each in listed} == {TWIN, id_of("other twin")}
    assert "Found 2 items" in one["text"]


def test_the_sdk_finds_items_by_tag(server: Server, judge: Judge) -> None:
    listed = sdk(judge, server, "get_items", SHOP, 'tag eq "team-a"')["ok"]

    assert [each["id"] for each in listed] == [LOGIN]
    assert not listed[0].get("fields")


def test_the_sdk_gets_the_present_one_time_code(server: Server, judge: Judge) -> None:
    server.vault.ahead = 1111111109 - server.vault.now

    fields = sdk(judge, server, "get_item", LOGIN, SHOP)["ok"]["fields"]

    totp = next(each["totp"] for each in fields if each["id"] == "code")
    assert totp in {code(SEED, 1111111109), code(SEED, 1111111109 + 30)}


@pytest.mark.parametrize(
    ("now", "expected"), [(59, "287082"), (1111111109, "081804"), (2e10, "353130")]
)
def test_a_one_time_code_is_that_of_the_standard(now: float, expected: str) -> None:
    assert code(SEED, now) == expected


def test_the_sdk_gets_an_ssh_key(server: Server, judge: Judge) -> None:
    (field,) = sdk(judge, server, "get_item", "Key", SHOP)["ok"]["fields"]

    assert (field["type"], field["value"]) == ("SSHKEY", "made-up-5")


def test_the_sdk_gets_the_content_of_a_file(server: Server, judge: Judge) -> None:
    small, large = sdk(judge, server, "get_files", LOGIN, SHOP)["ok"]
    place = (small["id"], LOGIN, SHOP)

    assert sdk(judge, server, "get_file", *place)["ok"]["name"] == "some.txt"
    assert sdk(judge, server, "get_file_content", *place)["ok"] == "made-up-4"
    path = sdk(judge, server, "get_file_content", *place, small["content_path"])
    assert path["ok"] == "made-up-4"
    assert large["size"] == 2000


def test_a_small_file_comes_inline_and_a_large_one_does_not(server: Server) -> None:
    files = f"/v1/vaults/{SHOP}/items/{LOGIN}/files"

    small, large = (
        get(server, f"{files}/{id_of(name)}", inline_files="true")
        for name in ("some.txt", "large.txt")
    )

    assert base64.b64decode(small.document["content"]) == b"made-up-4"
    assert large.status == 413
    assert large.document["status"] == 413


def test_the_sdk_sees_a_change_by_the_versions(server: Server, judge: Judge) -> None:
    def seen() -> tuple[int, int]:
        place = sdk(judge, server, "get_vault", SHOP)["ok"]
        return place["content_version"], sdk(judge, server, "get_item", LOGIN, SHOP)[
            "ok"
        ]["version"]

    before = seen()
    server.vault.state.vaults[0].put(LOGIN, "username", "made-up-6")
    item = sdk(judge, server, "get_item", LOGIN, SHOP)["ok"]

    assert before == (1, 1)
    assert seen() == (2, 2)
    assert item["fields"][0]["value"] == "made-up-6"


@pytest.mark.parametrize(
    ("call", "given", "text"),
    [
        ("get_vault", (GONE,), "Received 404"),
        ("get_item_by_id", (id_of("nothing"), SHOP), "Received 404"),
        ("get_item_by_id", ("short", SHOP), "Received 400"),
        ("get_items", (SHOP, 'title eq "'), "Received 400"),
        ("get_items", (SHOP, 'title co "L"'), "Received 400"),
        ("get_items", (SHOP, 'name eq "Login"'), "Received 400"),
        ("get_file", (id_of("nothing"), LOGIN, SHOP), "Received 404"),
    ],
)
def test_the_sdk_is_told_what_is_wrong(
    server: Server, judge: Judge, call: str, given: tuple[str, ...], text: str
) -> None:
    assert text in sdk(judge, server, call, *given)["text"]


def test_the_sdk_is_refused_with_another_token(server: Server, judge: Judge) -> None:
    said = sdk(judge, server, "get_vaults", token="nobody")

    assert "Received 401" in said["text"]
    assert "Invalid token signature" in said["text"]


def test_a_quote_in_a_title_is_escaped(server: Server) -> None:
    path = f"/v1/vaults/{SHOP}/items"

    found = get(server, path, filter='title eq "say \\"hi\\""').document

    assert [each["title"] for each in found] == ['say "hi"']


def test_what_is_allowed_is_forbidden_at_times(server: Server, judge: Judge) -> None:
    server.faults = [forbidden_at_times(1)]

    first, second = (sdk(judge, server, "get_vaults") for _ in range(2))

    assert "Received 403" in first["text"]
    assert "Authorization" in first["text"]
    assert [each["name"] for each in second["ok"]] == ["Shop"]


def test_the_sdk_stumbles_over_a_proxy_that_answers_html(
    server: Server, judge: Judge
) -> None:
    server.faults = [bad_gateway()]

    assert sdk(judge, server, "get_vaults")["error"] == "JSONDecodeError"


def test_its_health_is_told_without_a_token(server: Server) -> None:
    beat, health = (raw.ask("GET", server.url + p) for p in ("/heartbeat", "/health"))

    assert (beat.status, beat.body) == (200, b".")
    assert health.document["dependencies"][0]["status"] == "ACTIVE"
