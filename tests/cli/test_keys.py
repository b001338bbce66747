from pathlib import Path

import pytest

from tests.cli.command import refusal, run
from tests.keyrings import keyring, root_key
from vaultferry.cli.rootkey import read_keyring
from vaultferry.core.errors import RootKeyInvalid
from vaultferry.core.keyring import Keyring


def test_keygen_prints_a_good_root_key_and_never_the_same() -> None:
    keys = {run("keygen").stdout for _ in range(20)}

    assert len(keys) == 20
    assert all(Keyring.parse([key.removesuffix("\n")]) for key in keys)


def test_public_key_prints_one_line() -> None:
    result = run("public-key", ENCRYPTION_KEY=root_key(), ENCRYPTION_KEY_EPOCH="7")

    assert result.stdout == f"{keyring(epoch=7).public_key()}\n"


def test_public_key_is_of_the_newest_root_key() -> None:
    result = run("public-key", ENCRYPTION_KEY=f"{root_key(2)},{root_key(1)}")

    assert result.stdout == f"{keyring(2).public_key()}\n"


def test_public_key_without_a_root_key_is_refused() -> None:
    line = "no root key: set ENCRYPTION_KEY or ENCRYPTION_KEY_FILE"

    assert refusal("public-key") == line


SEPARATORS = [",", " ", "\n", "\r\n", "\t", ", ", ",\n,"]


@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize("around", ["", "\n", " , "])
def test_several_keys_are_read_newest_first(separator: str, around: str) -> None:
    text = around + separator.join([root_key(2), root_key(1)]) + around

    assert read_keyring({"ENCRYPTION_KEY": text}).key_ids == keyring(2, 1).key_ids


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"{root_key(2)}\n{root_key(1)}\n")
    environ = {"ENCRYPTION_KEY_FILE": str(path), "ENCRYPTION_KEY": ""}

    assert read_keyring(environ).key_ids == keyring(2, 1).key_ids


def refused(**environ: str) -> str:
    """Return the words of the refusal; nothing may hide behind it either."""
    with pytest.raises(RootKeyInvalid) as caught:
        read_keyring(environ)
    hidden = caught.value.__cause__ or caught.value.__context__
    assert hidden is None or isinstance(hidden, RootKeyInvalid)
    return str(caught.value)


def test_both_variables_are_refused() -> None:
    assert refused(ENCRYPTION_KEY=root_key(), ENCRYPTION_KEY_FILE="keys") == (
        "ENCRYPTION_KEY and ENCRYPTION_KEY_FILE are both set; leave one out"
    )


@pytest.mark.parametrize("text", [" ", "\n", ","])
def test_a_variable_without_a_key_is_refused(text: str) -> None:
    line = "ENCRYPTION_KEY: no root key; `vaultferry keygen` makes one"

    assert refused(ENCRYPTION_KEY=text) == line


def test_a_bad_key_is_refused_by_its_number() -> None:
    line = "ENCRYPTION_KEY: root key 2 of 2: 3 bytes, 32 wanted; "

    assert refused(ENCRYPTION_KEY=f"{root_key()} AAAA").startswith(line)


@pytest.mark.parametrize(
    "epoch", ["0", "-1", "01", "1.0", "x", " 1", "1000000", "\u0661"]
)
def test_a_bad_epoch_is_refused(epoch: str) -> None:
    line = "ENCRYPTION_KEY_EPOCH: an integer from 1 to 999999 wanted"

    assert refused(ENCRYPTION_KEY=root_key(), ENCRYPTION_KEY_EPOCH=epoch) == line


def test_an_empty_epoch_is_the_first() -> None:
    environ = {"ENCRYPTION_KEY": root_key(), "ENCRYPTION_KEY_EPOCH": ""}

    assert read_keyring(environ).epoch == 1


def test_the_key_in_the_variable_for_its_file_is_not_shown() -> None:
    line = refused(ENCRYPTION_KEY_FILE=root_key())

    assert line == "ENCRYPTION_KEY_FILE: cannot be read: No such file or directory"


@pytest.mark.parametrize("path", ["nul\0in it", None])
def test_a_file_that_is_no_text_is_refused(path: str | None, tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")

    line = refused(ENCRYPTION_KEY_FILE=path or str(binary))

    assert line == "ENCRYPTION_KEY_FILE: is no text file"
