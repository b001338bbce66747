import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli.command import CANARY, Sealer

SAME_FOLDER = settings(
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@SAME_FOLDER
@given(value=st.binary(min_size=1))
def test_a_file_is_sealed_byte_for_byte(sealer: Sealer, value: bytes) -> None:
    assert sealer.values(*sealer.file("a", value)) == {"a": value}


@SAME_FOLDER
@given(value=st.binary(min_size=1))
def test_stdin_is_sealed_byte_for_byte(sealer: Sealer, value: bytes) -> None:
    assert sealer.values("--field-file", "a=-", stdin=value) == {"a": value}


WARNING = (
    "Warning: field a ends with a newline, which is sealed with it; "
    "--trim-newline strips it\n"
)


@pytest.mark.parametrize(
    ("value", "said", "trimmed"),
    [
        (b"v", "", b"v"),
        (b"v\n", WARNING, b"v"),
        (b"v\r\n", WARNING, b"v"),
        (b"v\n\n", "", b"v\n\n"),
        (b"BEGIN\nEND\n", "", b"BEGIN\nEND\n"),
        (b"v\r", "", b"v\r"),
        (b" v \t\n", WARNING, b" v \t"),
    ],
)
def test_the_newline_of_a_lone_line_is_kept_with_a_warning_or_stripped(
    sealer: Sealer, value: bytes, said: str, trimmed: bytes
) -> None:
    field = sealer.file("a", value)

    assert sealer.values(*field) == {"a": value}
    assert sealer.run(*field).stderr == said
    assert sealer.values("--trim-newline", *field) == {"a": trimmed}
    assert sealer.run("--trim-newline", *field).stderr == ""


def test_an_empty_value_is_refused(sealer: Sealer) -> None:
    assert sealer.refusal(*sealer.file("a", b"")) == "field a: empty"


def test_a_line_of_nothing_is_empty_when_trimmed(sealer: Sealer) -> None:
    field = sealer.file("a", b"\n")

    assert sealer.refusal("--trim-newline", *field) == "field a: empty"


def test_a_value_of_the_greatest_length_is_sealed(sealer: Sealer) -> None:
    longest = bytes(32 * 1024)

    assert sealer.values(*sealer.file("a", longest)) == {"a": longest}


def test_a_longer_value_is_refused_with_its_length(sealer: Sealer) -> None:
    line = "field a: 32769 bytes, at most 32768"

    assert sealer.refusal(*sealer.file("a", bytes(32 * 1024 + 1))) == line


def test_sixty_four_fields_are_sealed_and_one_more_is_not(sealer: Sealer) -> None:
    fields = [sealer.file(f"f{number}", b"v") for number in range(65)]
    options = [text for field in fields for text in field]

    assert len(sealer.values(*options[:-2])) == 64
    assert sealer.refusal(*options) == "65 fields, at most 64"


NAMES = ["..", ".", "..a", "a b", "a/b", "é", "a\n", "f" * 254, ""]
ILLEGAL = (
    "field 1 of 1: no legal name; wanted are letters, digits, - _ and ., "
    "at most 253, and no value"
)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_a_secret_cannot_hold_is_refused(sealer: Sealer, name: str) -> None:
    assert sealer.refusal("--field", name) == ILLEGAL
    assert sealer.refusal("--field-file", f"{name}=-", stdin=b"v") == ILLEGAL


@pytest.mark.parametrize("name", ["a", ".a", "a..", "A-b_c.9", "f" * 253])
def test_a_name_that_a_secret_can_hold_is_taken(sealer: Sealer, name: str) -> None:
    assert sealer.values("--field-file", f"{name}=-", stdin=b"v") == {name: b"v"}


REFUSED = {
    "a value behind a prompted field": (("--field", f"a={CANARY}"), ILLEGAL),
    "a field without a file": (
        ("--field-file", CANARY),
        "--field-file: NAME=PATH wanted, with - as PATH for stdin",
    ),
    "a field with an empty path": (
        ("--field-file", "a="),
        "--field-file: NAME=PATH wanted, with - as PATH for stdin",
    ),
    "a value for a path": (
        ("--field-file", f"a={CANARY}"),
        "field a: its file cannot be read: No such file or directory",
    ),
    "a folder for a path": (
        ("--field-file", "a=."),
        "field a: its file cannot be read: Is a directory",
    ),
    "stdin twice": (
        ("--field-file", "a=-", "--field-file", "b=-"),
        "--field-file: only one field can come from stdin (-)",
    ),
    "a field twice": (
        ("--field", "a", "--field-file", "a=-"),
        "given twice: a",
    ),
}


@pytest.mark.parametrize(("arguments", "line"), REFUSED.values(), ids=REFUSED)
def test_wrong_use_is_refused_without_quoting(
    sealer: Sealer, arguments: tuple[str, ...], line: str
) -> None:
    assert sealer.refusal(*arguments, stdin=CANARY.encode()) == line


def test_a_path_with_an_equals_sign_is_read(sealer: Sealer) -> None:
    sealer.write("a=b", b"v")

    assert sealer.values("--field-file", f"x={sealer.folder}/a=b") == {"x": b"v"}
