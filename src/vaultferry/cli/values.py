"""Where the values to seal come from: a prompt, a file, stdin; never an argument.

No message holds a path or what stands behind a name: people put values there.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import click

from vaultferry.cli.refusal import Refused
from vaultferry.core.model import is_key
from vaultferry.core.vaultsecret import MAX_FIELDS, MAX_VALUE

_STDIN = "-"

# A terminal in canonical mode cuts a line after 4,095 bytes and tells nobody.
_LONGEST_LINE = 4094


@dataclass(frozen=True)
class Sources:
    """Which fields are asked for, and which come from which file."""

    prompted: Sequence[str]
    files: Sequence[tuple[str, str]]

    @classmethod
    def parse(cls, prompted: Sequence[str], from_files: Sequence[str]) -> Self:
        """Read the options; refuse what is no field name before anything is read."""
        sources = cls(prompted, [_split(source) for source in from_files])
        _check_names(sources.fields)
        if [path for _, path in sources.files].count(_STDIN) > 1:
            raise Refused("--field-file: only one field can come from stdin (-)")
        return sources

    @property
    def fields(self) -> list[str]:
        """The names of all fields."""
        return [*(field for field, _ in self.files), *self.prompted]

    def read(self, *, trim_newline: bool) -> dict[str, bytes]:
        """Return the values: files first, so that nobody types in vain."""
        values = {
            field: _check(field, _newline(field, _read(field, path), trim=trim_newline))
            for field, path in self.files
        }
        return values | {field: _check(field, _ask(field)) for field in self.prompted}


def _split(source: str) -> tuple[str, str]:
    field, separator, path = source.partition("=")
    if not separator or not path:
        raise Refused("--field-file: NAME=PATH wanted, with - as PATH for stdin")
    return field, path


def _check_names(fields: list[str]) -> None:
    if not fields:
        raise Refused("nothing to seal: give --field NAME or --field-file NAME=PATH")
    if len(fields) > MAX_FIELDS:
        raise Refused(f"{len(fields)} fields, at most {MAX_FIELDS}")
    for number, field in enumerate(fields, start=1):
        if not is_key(field):
            raise Refused(
                f"field {number} of {len(fields)}: no legal name; wanted are letters, "
                "digits, - _ and ., at most 253, and no value"
            )
    if twice := sorted({field for field in fields if fields.count(field) > 1}):
        raise Refused(f"given twice: {', '.join(twice)}")


def _ask(field: str) -> bytes:
    if not _has_terminal():
        raise Refused(f"field {field}: no terminal to ask on; use --field-file")
    value = _prompt(field)
    if value is None:
        raise Refused(f"field {field}: not UTF-8; use --field-file")
    if len(value) > _LONGEST_LINE:
        raise Refused(
            f"field {field}: too long to be typed, terminals cut lines at "
            f"{_LONGEST_LINE} bytes; use --field-file"
        )
    return value


def _prompt(field: str) -> bytes | None:
    again = f"{field} again"
    try:
        text = click.prompt(field, hide_input=True, confirmation_prompt=again, err=True)
        return text.encode()
    except UnicodeError:
        return None


def _has_terminal() -> bool:
    try:
        Path("/dev/tty").open("rb").close()
    except OSError:
        return sys.stdin.isatty()
    return True


def _read(field: str, path: str) -> bytes:
    try:
        if path == _STDIN:
            return sys.stdin.buffer.read()
        return Path(path).read_bytes()
    except OSError as error:
        why = error.strerror
    raise Refused(f"field {field}: its file cannot be read: {why}")


def _newline(field: str, value: bytes, *, trim: bool) -> bytes:
    # Text of several lines, such as PEM, is meant to end in a newline.
    if not value.endswith(b"\n") or value.count(b"\n") > 1:
        return value
    if trim:
        return value.removesuffix(b"\n").removesuffix(b"\r")
    click.echo(
        f"Warning: field {field} ends with a newline, which is sealed with it; "
        "--trim-newline strips it",
        err=True,
    )
    return value


def _check(field: str, value: bytes) -> bytes:
    if not value:
        raise Refused(f"field {field}: empty")
    if len(value) > MAX_VALUE:
        raise Refused(f"field {field}: {len(value)} bytes, at most {MAX_VALUE}")
    return value
