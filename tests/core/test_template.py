import json
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formats.samples import opened
from vaultferry.core.desired import MAX_DATA
from vaultferry.core.errors import Failure, InvalidSpec, TooLarge, ValueInvalid
from vaultferry.core.template import render

CANARY = "canary-7d1f"
PAIR = opened("opaque", user="me", **{"pass.word": "s/e?c"})


def rendered(text: str) -> bytes:
    return render({"out": text}, PAIR)["out"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", b""),
        ("plain }} text { {", b"plain }} text { {"),
        ("{{ user }}", b"me"),
        ("{{user}}:{{ pass.word }}\n", b"me:s/e?c\n"),
        ("{{\n user\t}}", b"me"),
        ('{"a":{"b":{{ user | json }}}}', b'{"a":{"b":"me"}}'),
        ("db://{{ user|url }}:{{ pass.word | url }}@db", b"db://me:s%2Fe%3Fc@db"),
        ("{{ user | base64 }}", b"bWU="),
        ("ä {{ user }}", "ä me".encode()),
    ],
)
def test_fields_stand_where_they_are_named(text: str, expected: bytes) -> None:
    assert rendered(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ passwrod }}", "has no field passwrod: use pass.word, user"),
        ("{{ location.region }}", "has no field location.region: use pass.word, user"),
        ("{{ user | upper }}", "has no encoding upper: use base64, json, url"),
        ("{{ }}", "has {{ }} around something else than a field"),
        ("{{ user user }}", "has {{ }} around something else than a field"),
        ("{{ user | json | url }}", "has {{ }} around something else than a field"),
        ("{{{ user }}}", "has {{ }} around something else than a field"),
        ("{{ user.__class__() }}", "has {{ }} around something else than a field"),
        ("{{ user }", "has {{ without }}"),
        ("{{ user }} {{", "has {{ without }}"),
    ],
)
def test_anything_else_is_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        rendered(text)

    assert str(caught.value).startswith(f"spec.target.template key out {words}")


def test_settings_of_the_location_can_be_named() -> None:
    credential = opened("r2", {"account": "0f", "bucket": "b"})
    text = "{{ location.endpoint }}/{{ location.bucket }} {{ location.region | json }}"

    data = render({"url": text}, credential)

    assert data == {"url": b'https://0f.r2.cloudflarestorage.com/b "auto"'}


@settings(deadline=None)
@given(st.binary())
def test_bytes_come_through(value: bytes) -> None:
    data = render(
        {"plain": "<{{ a }}>", "url": "{{ a | url }}"}, opened("opaque", a=value)
    )

    assert data["plain"] == b"<" + value + b">"
    assert unquote_to_bytes(data["url"]) == value


@settings(deadline=None)
@given(st.text())
def test_json_reads_every_text_back(value: str) -> None:
    data = render({"out": "[{{ a | json }}]"}, opened("opaque", a=value))

    assert json.loads(data["out"]) == [value]


def test_a_value_is_never_looked_at_for_more() -> None:
    data = render({"out": "{{ a }}"}, opened("opaque", a="{{ b }}", b="1"))

    assert data == {"out": b"{{ b }}"}


def test_no_text_for_json_is_refused_by_name() -> None:
    credential = opened("opaque", a=CANARY.encode() + b"\xff")

    with pytest.raises(
        ValueInvalid, match=r"^field a has 12 bytes that are no"
    ) as said:
        render({"out": "{{ a | json }}"}, credential)

    assert CANARY not in str(said.value)


@pytest.mark.parametrize("text", ["{{ b }}", "{{ a | b }}", "{{ a", "{{ a b }}"])
def test_no_failure_shows_a_value(text: str) -> None:
    with pytest.raises(Failure) as caught:
        render({"out": text}, opened("opaque", a=CANARY))

    assert CANARY not in f"{caught.value}{caught.value.__context__}"


@pytest.mark.parametrize("keys", [1, 16])
def test_what_grows_too_large_is_refused_before_it_is_made(keys: int) -> None:
    value = "x" * 32 * 1024
    templates = {f"k{i}": "{{ a }}" * 3_000 for i in range(keys)}

    with pytest.raises(TooLarge, match=f"^the data has more than {MAX_DATA} bytes"):
        render(templates, opened("opaque", a=value))


def test_what_just_fits_is_made() -> None:
    credential = opened("opaque", a="x" * (MAX_DATA // 2))

    data = render({"a": "{{ a }}", "b": "{{ a }}"}, credential)

    assert sum(map(len, data.values())) == MAX_DATA
    with pytest.raises(TooLarge):
        render({"a": "{{ a }}", "b": "{{ a }}", "c": "1"}, credential)
