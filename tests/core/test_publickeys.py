from typing import Any

import pytest

from tests.keyrings import keyring, root_key
from tests.patches import json_patched
from vaultferry.core.errors import ApiUnavailable, PublicKeyInvalid
from vaultferry.core.publickeys import patch, published, read
from vaultferry.core.suites import WITH_PUBLIC_KEY, Suite

RING = keyring(2, 1, epoch=3)
EMPTY: dict[str, Any] = {"metadata": {"resourceVersion": "7"}}


@pytest.mark.parametrize("suite", WITH_PUBLIC_KEY)
def test_what_is_published_is_read(suite: str) -> None:
    body = EMPTY | {"data": published(RING)}

    assert read(body, Suite(suite)) == RING.public_key(Suite(suite))


def test_only_the_newest_key_is_published_and_no_root_key() -> None:
    data = published(RING)

    assert data == published(keyring(2, epoch=3))
    assert not [n for n in (1, 2) if root_key(n)[:8] in str(data)]


@pytest.mark.parametrize(
    "data", [None, {}, {"other": "x"}, published(keyring(1))], ids=lambda d: f"{d}"[:9]
)
def test_a_config_map_that_differs_becomes_right_in_one_patch(
    data: dict[str, str] | None,
) -> None:
    body = EMPTY | ({} if data is None else {"data": data})

    operations = patch(RING, body)

    guard = {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"}
    assert operations[0] == guard
    assert json_patched(body, operations)["data"] == published(RING)


def test_a_config_map_that_is_right_is_not_written() -> None:
    assert patch(RING, EMPTY | {"data": published(RING)}) == []


@pytest.mark.parametrize("body", [{}, {"metadata": None}, {"metadata": {}}], ids=str)
def test_an_answer_that_is_no_config_map_is_none(body: dict[str, Any]) -> None:
    with pytest.raises(ApiUnavailable):
        patch(RING, body)


X25519 = str(Suite.HPKE_X25519)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "has no key for hpke-x25519"),
        ({}, "has no key for hpke-x25519"),
        ({X25519: "hunter2"}, "no public key: wanted is one line"),
        (
            {X25519: str(RING.public_key(Suite.HPKE_MLKEM768X25519))},
            "a key of another suite",
        ),
    ],
)
def test_what_is_no_public_key_is_refused(data: Any, words: str) -> None:
    with pytest.raises(PublicKeyInvalid, match=words):
        read(EMPTY | {"data": data}, Suite.HPKE_X25519)
