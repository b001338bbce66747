"""Reads files and variables with real tools, one request a line; run by `conftest`.

It runs with the packages of requirements/tools.lock, and knows nothing of ours.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import adlfs
import boto3
import google.auth
from azure.storage.blob import BlobServiceClient
from docker.auth import load_config
from dotenv import dotenv_values
from ruamel.yaml import YAML

Answer = dict[str, Any]


def boto_credentials(_: Path) -> Answer:
    """Return the key that boto3 finds."""
    found = boto3.Session().get_credentials()
    return {
        "key_id": found.access_key,
        "secret_key": found.secret_key,
        "session_token": found.token,
    }


def boto_client(_: Path) -> Answer:
    """Return what a client of S3 would do."""
    client = boto3.Session().client("s3")
    config = client.meta.config
    place = {"Bucket": "some-bucket", "Key": "some-key"}
    return {
        "region": client.meta.region_name,
        "endpoint": client.meta.endpoint_url,
        "request_checksums": config.request_checksum_calculation,
        "response_checksums": config.response_checksum_validation,
        "url": client.generate_presigned_url("get_object", place).partition("?")[0],
    }


def dotenv(path: Path) -> Answer:
    """Return the variables of a .env file."""
    return dict(dotenv_values(path / ".env"))


def yaml(path: Path) -> Answer:
    """Return a YAML file as YAML 1.2 has it."""
    reader = YAML(typ="safe", pure=True)
    return dict(reader.load((path / "credentials.yaml").read_bytes()))


def azure(path: Path) -> Answer:
    """Return what a client of Azure Blob Storage makes of a connection string."""
    text = (path / "AZURE_STORAGE_CONNECTION_STRING").read_text()
    with BlobServiceClient.from_connection_string(text) as client:
        return {
            "account": client.account_name,
            "key": getattr(client.credential, "account_key", None),
            "url": client.url,
        }


def azure_variables(_: Path) -> Answer:
    """Return what adlfs, a file system for Python, finds in the environment."""
    found = adlfs.AzureBlobFileSystem(skip_instance_cache=True)
    return {
        "account": found.account_name,
        "key": found.account_key,
        "token": found.sas_token,
    }


def docker(path: Path) -> Answer:
    """Return the login that Docker's SDK finds for the registries of a file."""
    config = load_config(str(path / ".dockerconfigjson"))
    return {name: config.resolve_authconfig(name) for name in config.auths}


def google_key(path: Path) -> Answer:
    """Return the service account that Google's SDK finds, after it signed."""
    os.environ["GOOGLE_APPLICATION_CREDENTIALS"] = str(path / "key.json")
    found, project = google.auth.default(
        scopes=["https://www.googleapis.com/auth/devstorage"]
    )
    found.sign_bytes(b"something")
    return {"email": found.service_account_email, "project": project}


READERS: Mapping[str, Callable[[Path], Answer]] = {
    function.__name__: function
    for function in (
        azure,
        azure_variables,
        boto_client,
        boto_credentials,
        docker,
        dotenv,
        google_key,
        yaml,
    )
}


def main() -> None:
    """Answer every line of stdin by one of stdout."""
    clean = dict(os.environ)
    for line in sys.stdin:
        name, folder, variables = json.loads(line)
        os.environ.clear()
        os.environ.update(clean | variables)
        print(json.dumps(READERS[name](Path(folder))), flush=True)


if __name__ == "__main__":
    main()
