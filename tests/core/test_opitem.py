"""What an item of 1Password holds, and what a reference means in it."""

from typing import Any

import pytest

from vaultferry.core.document import Document
from vaultferry.core.errors import ReferenceInvalid
from vaultferry.core.opitem import (
    LARGEST_FILE,
    MOST_FILES,
    Item,
    ItemDocument,
    codes,
    document,
    locate,
)

CANARY = "canary-in-the-item"


def in_section(name: str) -> dict[str, Any]:
    return {"section": {"id": name}}


FIELDS: list[dict[str, Any]] = [
    {"id": "password", "label": "password", "value": "outer"},
    {"id": "inner", "label": "Password", "value": "inner", **in_section("sect")},
    {"id": "host", "label": "host", "value": "h", **in_section("sect")},
    {"id": "plain", "label": "note", "value": "n", **in_section("add more")},
    {"id": "empty", "label": "user", "value": ""},
    {"id": "null", "label": None, "value": None},
    {"id": "code", "label": "one-time", "value": "otpauth:", "totp": "123456"},
]
FILES = [
    {"id": "f1", "name": "key.pem", "size": 3},
    {"id": "f2", "name": "host", "size": 3, **in_section("sect")},
    {"id": "f3", "name": "nothing.txt"},
]


def item(
    fields: list[dict[str, Any]] | None = None,
    files: list[dict[str, Any]] | None = None,
    **more: Any,
) -> Item:
    sections = [{"id": "sect", "label": "Database"}, {"id": "add more"}]
    answer: dict[str, Any] = {"id": "i", "title": "Login", "version": 1}
    parts = {"fields": fields, "files": files, "sections": sections}
    return Item.model_validate(answer | parts | more)


def held(**more: Any) -> ItemDocument:
    contents = {"f1": b"pem", "f2": b"abc", "f3": b""}
    return document("Shop", item(FIELDS, FILES, **more), contents, "tag")


def test_fields_and_files_have_the_keys_that_they_are_called() -> None:
    assert held().values == {
        "password": b"outer",
        "Database.Password": b"inner",
        "Database.host (sect/host)": b"h",
        "note": b"n",
        "one-time": b"otpauth:",
        "key.pem": b"pem",
        "Database.host (sect/f2)": b"abc",
    }


def test_where_each_is_from_is_told_by_names() -> None:
    origins = held(title="a/b 50%").origins

    assert origins["password"] == "Shop/a%2Fb 50%25/password"
    assert origins["Database.Password"] == "Shop/a%2Fb 50%25/Database/Password"
    assert origins["note"] == "Shop/a%2Fb 50%25/add more/note"
    assert origins.keys() >= held().values.keys()


@pytest.mark.parametrize(
    ("reference", "key"),
    [
        ("password", "password"),
        ("PassWord", "password"),
        ("Database/password", "Database.Password"),
        ("database/PASSWORD", "Database.Password"),
        ("sect/password", "Database.Password"),
        ("sect/inner", "Database.Password"),
        ("inner", "Database.Password"),
        ("host", "Database.host (sect/host)"),
        ("sect/f2", "Database.host (sect/f2)"),
        ("note", "note"),
        ("add more/note", "note"),
        ("user", "user"),
        ("null", "null"),
        ("key.pem", "key.pem"),
        ("f1", "key.pem"),
    ],
)
def test_a_reference_means_a_field_or_a_file(reference: str, key: str) -> None:
    entry = locate(held(), reference)

    assert entry is not None
    assert entry.key == key


@pytest.mark.parametrize(
    "reference",
    [
        "other",
        "Database/user",
        "other/password",
        "password/password",
        "Database/key.pem",
    ],
)
def test_a_reference_may_mean_nothing(reference: str) -> None:
    assert locate(held(), reference) is None
    assert locate(Document({}), reference) is None


@pytest.mark.parametrize(
    ("twins", "said"),
    [
        ([{"id": "a", "label": "x"}, {"id": "b", "label": "X"}], "'a', 'b'"),
        (
            [
                {"id": "a", "label": "x", **in_section("sect")},
                {"id": "b", "label": "x", **in_section("add more")},
            ],
            "'sect/a', 'add more/b'",
        ),
        (
            [{"id": f"{n:02}", "label": "x"} for n in range(12)],
            "'08', '09' and 2 more",
        ),
        (
            [{"id": "\u2028" * 99, "label": "x"}, {"id": "b", "label": "x"}],
            r"\u2028', ",
        ),
    ],
)
def test_what_is_meant_twice_is_an_error_that_names_the_ids(
    twins: list[dict[str, Any]], said: str
) -> None:
    valued = [twin | {"value": CANARY} for twin in twins]
    found = document("Shop", item(valued), {}, "tag")

    with pytest.raises(ReferenceInvalid) as caught:
        locate(found, "x")

    assert said in str(caught.value)
    assert CANARY not in str(caught.value)


def test_an_id_is_meant_for_sure() -> None:
    twins = [{"id": "a", "label": "b", "value": "1"}, {"id": "b", "label": "b"}]
    found = document("Shop", item(twins), {}, "tag")

    assert [entry.id for n in "ab" if (entry := locate(found, n))] == ["a", "b"]


def test_what_is_in_no_section_is_meant_before_what_is_in_one() -> None:
    alike = [{"id": "in", "label": "x", **in_section("sect")}, {"id": "out"}]
    alike[1]["label"] = "x"
    entry = locate(document("Shop", item(alike), {}, ""), "x")

    assert entry is not None
    assert entry.id == "out"


def test_what_is_called_alike_has_keys_with_ids() -> None:
    twins = [{"id": n, "label": "x", "value": n} for n in "ab"]

    assert document("Shop", item(twins), {}, "").values == {
        "x (a)": b"a",
        "x (b)": b"b",
    }


def test_a_field_that_is_empty_still_counts_where_names_are_alike() -> None:
    twins = [{"id": "a", "label": "x", "value": "1"}, {"id": "b", "label": "x"}]

    assert document("Shop", item(twins), {}, "").values == {"x (a)": b"1"}


def test_two_things_of_one_id_are_no_item() -> None:
    twins = [{"id": "a", "label": "x", "value": n} for n in "12"]

    with pytest.raises(ValueError, match="two things"):
        document("Shop", item(twins), {}, "")


def test_large_files_and_many_are_left_under_a_key_that_no_secret_takes() -> None:
    files = [{"id": f"f{n}", "name": f"n{n}", "size": 1} for n in range(MOST_FILES + 1)]
    files[1]["size"] = LARGEST_FILE + 1
    files[2]["size"] = LARGEST_FILE
    whole = item(files=files)
    fetched = whole.fetchable()
    found = document("Shop", whole, dict.fromkeys(fetched, b"x"), "")

    assert "f1" not in fetched
    assert "f2" in fetched
    assert len(fetched) == MOST_FILES - 1
    assert found.values["n1 (not fetched)"] == b""
    assert found.values[f"n{MOST_FILES} (not fetched)"] == b""
    entry = locate(found, "n1")
    assert entry is not None
    assert entry.is_left


def test_of_codes_there_are_those_of_the_moment_and_nothing_else() -> None:
    found = codes("Shop", item(FIELDS, FILES))

    assert found.values == {"one-time": b"123456"}
    assert found.tag is None
    assert found.origins["one-time"] == "Shop/Login/one-time"


@pytest.mark.parametrize(
    ("state", "gone"),
    [
        (None, False),
        ("", False),
        ("ACTIVE", False),
        ("ARCHIVED", True),
        ("DELETED", True),
    ],
)
def test_an_item_may_be_in_use_no_more(state: str | None, *, gone: bool) -> None:
    assert item(state=state).is_gone is gone


def test_an_item_without_anything_has_nothing() -> None:
    empty = Item.model_validate({"id": "i", "title": "t", "version": 1})

    assert (document("v", empty, {}, "").values, empty.fetchable()) == ({}, ())


def test_a_document_shows_no_value() -> None:
    found = document("Shop", item([{"id": "a", "value": CANARY}]), {}, "")

    assert CANARY not in repr((found, found.entries))
