import json

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from tests.formats.conftest import Tools
from tests.formats.samples import opened
from vaultferry.formats import gcs_key_file

PIN = "1:4c16ff2b"


def key_file() -> str:
    """Return the file of a service account key, as Google gives it out."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    content = {
        "type": "service_account",
        "project_id": "shop",
        "private_key_id": "0" * 40,
        "private_key": pem.decode(),
        "client_email": "backup@shop.iam.gserviceaccount.com",
        "client_id": "1" * 21,
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    return json.dumps(content, indent=2) + "\n"


def test_googles_sdk_signs_with_the_key_of_the_file(real: Tools) -> None:
    data = gcs_key_file.render(opened("gcs", service_account_json=key_file()))

    found = real.read("google_key", data)

    assert found == {"email": "backup@shop.iam.gserviceaccount.com", "project": "shop"}


def test_the_file_is_what_was_sealed_to_the_byte() -> None:
    text = '{ "type":\t"service_account" }\r\n\n'

    data = gcs_key_file.render(opened("gcs", service_account_json=text))

    assert data == {"key.json": text.encode()}
