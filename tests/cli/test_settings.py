"""What `create` and `update` set beside the values."""

import sys
from pathlib import Path

import pytest

from tests.cli.command import CANARY, refusal
from tests.keyrings import keyring
from vaultferry import formats
from vaultferry.cli import completion, settings
from vaultferry.core.location import SETTINGS

NOTHING = {"display_name": None, "description": None, "location": (), "formats": ()}


def test_each_option_stands_in_the_spec_where_it_belongs() -> None:
    options = {
        "display_name": "Orders",
        "description": "of the shop",
        "location": ("region=eu-central-1", "bucket=orders"),
        "formats": ("env", "rclone"),
    }

    assert settings.read("s3", options) == {
        "displayName": "Orders",
        "description": "of the shop",
        "location": {"region": "eu-central-1", "bucket": "orders"},
        "target": {"formats": ["env", "rclone"]},
    }


def test_what_is_not_given_is_not_there() -> None:
    assert settings.read("s3", NOTHING) == {}


def test_a_text_may_hold_an_equals_sign() -> None:
    given = settings.read("s3", NOTHING | {"description": "a=b"})

    assert given == {"description": "a=b"}


NO_SETTING = (
    f"--location: SETTING=TEXT wanted, where SETTING is one of {', '.join(SETTINGS)}"
)
OF_ANOTHER_TYPE = (
    "type s3 takes bucket, endpoint, region under spec.location: leave out the others"
)
NOT_FOR_S3 = (
    "format dockerconfigjson is not for type s3: take it out of spec.target.formats"
)

WRONG = {
    "a setting that there is not": (
        ["--location", f"{CANARY}=x"],
        NO_SETTING,
    ),
    "a setting without text": (
        ["--location", "region="],
        NO_SETTING,
    ),
    "a setting twice": (
        ["--location", "region=a", "--location", "region=b"],
        "--location: given twice: region",
    ),
    "a format twice": (
        ["--format", "env", "--format", "env"],
        "--format: given twice: env",
    ),
    "a text that cannot be": (
        ["--location", f"endpoint=ftp://{CANARY}"],
        "not understood: spec.location.endpoint",
    ),
    "a long name": (
        ["--display-name", CANARY * 20],
        "not understood: spec.displayName",
    ),
    "a setting of another type": (
        ["--location", "registry=example.com"],
        OF_ANOTHER_TYPE,
    ),
    "a format of another type": (
        ["--format", "dockerconfigjson"],
        NOT_FOR_S3,
    ),
}


@pytest.mark.parametrize(("options", "words"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_is_refused_before_anything_is_asked(
    options: list[str], words: str, tmp_path: Path
) -> None:
    key = tmp_path / "key.pub"
    key.write_text(str(keyring().public_key()))
    fixed = ("-n", "shop", "--public-key", str(key), "--type", "s3")

    assert refusal("create", "db", *fixed, *options) == words


def test_a_type_that_there_is_not_is_said_by_what_reads_the_type(
    tmp_path: Path,
) -> None:
    key = tmp_path / "key.pub"
    key.write_text(str(keyring().public_key()))
    fixed = ("-n", "shop", "--public-key", str(key), "--type", "magic")

    line = refusal("create", "db", *fixed, "--format", "env")

    assert line.startswith("--type: no such type; known: ")


def completed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> list[str]:
    monkeypatch.setattr(sys, "argv", ["kubectl_complete-vaultferry", *words])
    completion.kubectl()
    return [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()[:-1]]


@pytest.mark.parametrize("command", ["create", "update"])
def test_settings_and_formats_are_completed(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    of_location = completed(monkeypatch, capsys, command, "db", "--location", "re")
    of_format = completed(monkeypatch, capsys, command, "db", "--format", "")

    assert of_location == ["region=", "registry="]
    assert of_format == list(formats.names())
