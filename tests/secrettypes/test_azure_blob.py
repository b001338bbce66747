from base64 import b64encode

import pytest

from tests.secrettypes.values import refusal
from vaultferry.core.errors import ValueExpired
from vaultferry.secrettypes.azure_blob import TYPE

GOOD = {
    "azure_account_key": {
        "account_name": b"canary7",
        "account_key": b64encode(bytes(range(64))),
    },
    "azure_sas_url": {
        "sas_url": b"https://canary7.blob.core.windows.net/box"
        b"?sv=2024-11-04&sr=c&sp=r&se=2099-01-01&sig=Y2FuYXJ5%3D"
    },
}

ACCOUNT = b"canaryaccount"
KEY = b64encode(bytes(range(64)))
HOST = b"https://canary.blob.core.windows.net"
SIGNED = HOST + b"/box?sv=2024-11-04&sr=c&sp=r&se=2020-01-01&sig=Y2FuYXJ5%3D"


def account(name: bytes, key: bytes) -> dict[str, bytes]:
    return {"account_name": name, "account_key": key}


def test_an_account_and_its_key_are_taken_by_default() -> None:
    TYPE.check(None, account(ACCOUNT, KEY))
    TYPE.check("azure_account_key", account(b"Of-a-new-shape", KEY))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (account(KEY, ACCOUNT), "field account_name has 88 bytes that look like acco"),
        (account(ACCOUNT, ACCOUNT), "field account_key has 13 bytes that look like ac"),
        (
            account(ACCOUNT, KEY[:-1]),
            "field account_key has 87 bytes that are not base",
        ),
        (
            account(ACCOUNT, KEY[4:]),
            "field account_key has 84 bytes that are not base64",
        ),
        (
            account(ACCOUNT, KEY[:9] + b"-" + KEY[9:]),
            "field account_key has 89 bytes that are not ba",
        ),
        (
            account(ACCOUNT, b"-" + KEY[1:]),
            "field account_key has 88 bytes that are not",
        ),
        (
            account(ACCOUNT, b"AccountName=canaryaccount;AccountKey=" + KEY),
            "field account_key has 125 bytes that are not base64 of 64: seal the key",
        ),
        (
            account(ACCOUNT, KEY + b"\n"),
            "field account_key has 89 bytes that are not one",
        ),
    ],
    ids=[
        "swapped",
        "the name twice",
        "cut off",
        "too short",
        "a strange letter more",
        "no base64",
        "a connection string",
        "a line break",
    ],
)
def test_what_is_no_key_of_an_account_is_refused(
    values: dict[str, bytes], words: str
) -> None:
    assert refusal(TYPE, values).startswith(words)


@pytest.mark.parametrize(
    "url", [SIGNED, b"http://127.0.0.1:10000/dev?sig=a"], ids=["Azure", "the emulator"]
)
def test_a_signed_url_is_taken_whenever_it_ends(url: bytes) -> None:
    TYPE.check("azure_sas_url", {"sas_url": url})


DAY = 24 * 3600.0

ENDS = {
    "a day": (b"se=1970-01-02", DAY),
    "a minute": (b"se=1970-01-02T00:01Z", DAY + 60),
    "a second": (b"se=1970-01-02T00%3A00%3A01Z", DAY + 1),
    "the key's end, if that is first": (b"se=1970-01-03&ske=1970-01-02", DAY),
    "the earliest of two": (b"se=1970-01-03&se=1970-01-02", DAY),
    "a stored policy": (b"si=policy", None),
    "an empty end": (b"se=", None),
    "no time": (b"se=canary", None),
    "a time that there is not": (b"se=1970-02-30", None),
}


@pytest.mark.parametrize(("query", "end"), ENDS.values(), ids=ENDS)
def test_a_signed_url_says_its_end(query: bytes, end: float | None) -> None:
    url = HOST + b"/box?sv=2024-11-04&sr=c&sp=r&sig=a&" + query

    assert TYPE.end("azure_sas_url", {"sas_url": url}) == end


def test_a_signature_that_is_over_is_refused() -> None:
    values = {"sas_url": SIGNED}
    end = TYPE.end("azure_sas_url", values) or 0.0

    TYPE.check_end("azure_sas_url", values, end - 1)
    with pytest.raises(ValueExpired) as caught:
        TYPE.check_end("azure_sas_url", values, end)

    assert str(caught.value) == (
        "the credential expired at 2020-01-01T00:00:00Z: seal a new one"
    )


def test_the_key_of_an_account_has_no_end() -> None:
    assert TYPE.end(None, account(ACCOUNT, KEY)) is None
    TYPE.check_end(None, account(ACCOUNT, KEY), 1e12)


def test_a_line_break_in_a_url_is_refused() -> None:
    said = refusal(TYPE, {"sas_url": SIGNED + b"\n"}, "azure_sas_url")

    assert "that are not one line of text" in said


NO_URL = "are no https:// URL: seal the whole URL, not the signature alone"
NO_SIGNATURE = (
    "without a signature (sig): seal the URL with its shared access signature"
)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (HOST + b"/box", NO_SIGNATURE),
        (SIGNED.replace(b"&sig=Y2FuYXJ5%3D", b""), NO_SIGNATURE),
        (SIGNED.replace(b"Y2FuYXJ5%3D", b""), NO_SIGNATURE),
        (SIGNED.partition(b"?")[2], NO_URL),
        (b"?" + SIGNED.partition(b"?")[2], NO_URL),
        (b"https:///box?sig=a", NO_URL),
        (b"https://[canary?sig=a", NO_URL),
        (b"ftp" + SIGNED, NO_URL),
    ],
    ids=[
        "unsigned",
        "no signature",
        "an empty signature",
        "a signature alone",
        "a query alone",
        "no host",
        "a broken host",
        "another scheme",
    ],
)
def test_what_is_no_signed_url_is_refused(url: bytes, words: str) -> None:
    said = refusal(TYPE, {"sas_url": url}, "azure_sas_url")

    assert said.startswith(f"field sas_url has {len(url)} bytes ")
    assert said.endswith(words)
