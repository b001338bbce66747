import json
from typing import Any

import pytest

from tests.secrettypes.values import refusal
from vaultferry.secrettypes.gcs import TYPE

GOOD = {
    "gcs_service_account": {
        "service_account_json": json.dumps(
            {
                "type": "service_account",
                "client_email": "canary@canary.iam.gserviceaccount.com",
                "private_key": "-----BEGIN PRIVATE KEY-----\ncanary\n"
                "-----END PRIVATE KEY-----\n",
                "token_uri": "https://oauth2.googleapis.com/token",
            },
            indent=2,
        ).encode()
    }
}

MADE_UP = {
    "type": "service_account",
    "client_email": "canary@canary.iam.gserviceaccount.com",
    "private_key": "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n",
    "token_uri": "https://oauth2.googleapis.com/token",
}


def with_(**changes: Any) -> bytes:
    return json.dumps(MADE_UP | changes, indent=2).encode() + b"\n"


def test_the_file_of_google_is_taken_as_it_is() -> None:
    TYPE.check("gcs_service_account", {"service_account_json": with_(project_id="p")})


NO_OBJECT = (
    "that are no JSON object: seal the JSON file of a service account key, whole"
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"canary", NO_OBJECT),
        (b"[]", NO_OBJECT),
        (b"[" * 32768, NO_OBJECT),
        (with_()[:-3], NO_OBJECT),
        (b"\xef\xbb\xbf" + with_(), NO_OBJECT),
        (with_().decode().encode("utf-16-be"), NO_OBJECT),
        (with_(type="authorized_user"), "are of another type than service_account:"),
        (with_(type=["service_account"]), "are of another type than service_account:"),
        (with_(private_key=""), "lack private_key:"),
        (with_(client_email=7, token_uri=None), "lack client_email, token_uri:"),
        (with_(private_key="canary"), "have a private_key that is not PEM:"),
        (
            with_(private_key="-----BEGIN CERTIFICATE-----"),
            "have a private_key that is not PEM:",
        ),
    ],
    ids=[
        "no JSON",
        "a list",
        "deep",
        "cut off",
        "a byte order mark",
        "UTF-16",
        "a user",
        "a list for type",
        "an empty key",
        "no texts",
        "no PEM",
        "a certificate",
    ],
)
def test_what_is_no_key_of_a_service_account_is_refused(
    text: bytes, words: str
) -> None:
    said = refusal(TYPE, {"service_account_json": text})

    assert said.startswith(f"field service_account_json has {len(text)} bytes that ")
    assert words in said
