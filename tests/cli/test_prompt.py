import yaml

from tests.cli.command import CANARY, Sealer, opened
from tests.cli.terminal import converse


def sealed(screen: str) -> dict[str, bytes]:
    """Return the values of the manifest that ends the screen, opened."""
    return opened(yaml.safe_load(screen[screen.index("apiVersion:") :]))


def test_a_value_is_asked_for_twice_and_never_shown(sealer: Sealer) -> None:
    answers = [("pin: ", CANARY), ("pin again: ", CANARY)]

    talk = converse(*sealer.arguments, "--field", "pin", answers=answers)

    assert CANARY not in talk.screen
    assert sealed(talk.screen) == {"pin": CANARY.encode()}


def test_two_answers_that_differ_are_asked_for_again(sealer: Sealer) -> None:
    wrong = [("pin: ", CANARY), ("pin again: ", "another")]
    right = [("pin: ", "value"), ("pin again: ", "value")]

    talk = converse(*sealer.arguments, "--field", "pin", answers=wrong + right)

    assert CANARY not in talk.screen
    assert sealed(talk.screen) == {"pin": b"value"}


def test_the_required_fields_of_a_type_are_asked_for(sealer: Sealer) -> None:
    answers = [("username: ", "me"), ("username again: ", "me")]
    answers += [("password: ", "pass wörd"), ("password again: ", "pass wörd")]

    talk = converse(*sealer.arguments, "--type", "password", answers=answers)

    values = {"username": b"me", "password": "pass wörd".encode()}
    assert sealed(talk.screen) == values


def test_nothing_is_asked_again_until_something_is_typed(sealer: Sealer) -> None:
    answers = [("pin: ", ""), ("pin: ", "value"), ("pin again: ", "value")]

    talk = converse(*sealer.arguments, "--field", "pin", answers=answers)

    assert sealed(talk.screen) == {"pin": b"value"}


def test_a_line_that_the_terminal_cut_is_refused(sealer: Sealer) -> None:
    answers = [("pin: ", "x" * 5000), ("pin again: ", "x" * 5000)]

    talk = converse(*sealer.arguments, "--field", "pin", answers=answers)

    assert "field pin: too long to be typed" in talk.screen
    assert talk.exit_code == 2


def test_an_answer_that_is_no_text_is_refused(sealer: Sealer) -> None:
    answers = [("pin: ", "\udcff")]

    talk = converse(*sealer.arguments, "--field", "pin", answers=answers)

    assert talk.screen.endswith("Error: field pin: not UTF-8; use --field-file\n")
    assert talk.exit_code == 2


def test_files_are_read_before_anything_is_asked(sealer: Sealer) -> None:
    arguments = ("--field", "pin", *sealer.file("empty", b""))

    talk = converse(*sealer.arguments, *arguments, answers=[])

    assert talk.screen.strip() == "Error: field empty: empty"
