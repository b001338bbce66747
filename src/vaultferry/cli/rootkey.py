"""The root keys as the environment gives them: a variable or a file."""

import re
from collections.abc import Mapping
from pathlib import Path

from vaultferry.core.errors import RootKeyInvalid
from vaultferry.core.keyring import Keyring
from vaultferry.core.sealing import MAX_EPOCH

KEY = "ENCRYPTION_KEY"
FILE = "ENCRYPTION_KEY_FILE"
EPOCH = "ENCRYPTION_KEY_EPOCH"

_EPOCH = re.compile(r"[1-9][0-9]{0,5}")


def is_given(environ: Mapping[str, str]) -> bool:
    """Tell whether there is a root key, right or wrong."""
    return any(environ.get(variable) for variable in (KEY, FILE))


def read_keyring(environ: Mapping[str, str]) -> Keyring:
    """Read the root keys, newest first; an empty variable counts as absent.

    Raises:
        RootKeyInvalid: they are missing, given twice, malformed or guessable.
    """
    given = [variable for variable in (KEY, FILE) if environ.get(variable)]
    match given:
        case [variable]:
            epoch = _read_epoch(environ)
        case []:
            raise RootKeyInvalid(f"no root key: set {KEY} or {FILE}")
        case _:
            raise RootKeyInvalid(f"{KEY} and {FILE} are both set; leave one out")
    text = environ[KEY] if variable == KEY else _read_file(environ[FILE])
    try:
        return Keyring.parse(re.findall(r"[^\s,]+", text), epoch)
    except RootKeyInvalid as error:
        raise RootKeyInvalid(f"{variable}: {error}") from None


def _read_epoch(environ: Mapping[str, str]) -> int:
    text = environ.get(EPOCH) or "1"
    if _EPOCH.fullmatch(text) is None:
        raise RootKeyInvalid(f"{EPOCH}: an integer from 1 to {MAX_EPOCH} wanted")
    return int(text)


def _read_file(path: str) -> str:
    # The path is not shown: some put the key itself into the variable for its file.
    # Raised outside `except`, as the library's errors hold the path and the content.
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        why = f"cannot be read: {error.strerror}"
    except ValueError:
        why = "is no text file"
    raise RootKeyInvalid(f"{FILE}: {why}")
