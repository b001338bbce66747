"""What the logs of a process hold, and what they never do."""

import json
import subprocess
import sys
from functools import cache
from typing import Any, NoReturn

import pytest

from tests.keyrings import root_key
from vaultferry.operator.logs import describe_exception, redact

CANARY = "canary-value"
TOKEN = "vf1.fernet.strict.0123abcd-1.AbC-_xyz"
PEM = f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----"

SCRIPT = f"""
import logging, sys
import structlog
from vaultferry.operator import logs

log = structlog.get_logger()
logs.configure(sys.argv[1])
error = ValueError("{CANARY}")

def fail():
    raise error

log.debug("ours at debug")
log.info("ours", name="app", count=3)
log.warning("an exception for a field", error=error)
log.info("a token for a field", token="{TOKEN}")
logging.getLogger("other").info("theirs %s", "app")
logging.getLogger("other").warning("an exception for an argument: %s", error)
for name in ("kopf", "kopf.objects", "aiohttp", "asyncio", "kubernetes", "urllib3"):
    logging.getLogger(name).debug("{CANARY}")
for name in ("kopf.objects", "kopf.activities", "aiohttp.access"):
    logging.getLogger(name).info("{CANARY}")
    logging.getLogger(name).warning("a warning of " + name)
try:
    fail()
except ValueError:
    log.exception("ours broke")
    logging.getLogger("kopf").exception("theirs broke")
try:
    raise RuntimeError("{CANARY}") from error
except RuntimeError:
    log.exception("ours broke for a cause")
"""


@cache
def printed(level: str) -> str:
    """Return what a process that logs at a level prints."""
    command = [sys.executable, "-c", SCRIPT, level]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr


def lines(level: str = "info") -> dict[str, dict[str, Any]]:
    """Return the lines of that process by their event."""
    read = [json.loads(line) for line in printed(level).splitlines()]
    return {line["event"]: line for line in read}


@pytest.mark.parametrize("level", ["debug", "info"])
def test_no_text_of_an_exception_is_ever_logged(level: str) -> None:
    assert CANARY not in printed(level)
    assert "Traceback" not in printed(level)


@pytest.mark.parametrize("event", ["ours broke", "theirs broke"])
def test_an_exception_is_shown_by_its_type_and_where_it_was_raised(event: str) -> None:
    line = lines()[event]

    assert line["exception"] == "ValueError"
    assert [frame.partition(":")[0] for frame in line["at"]] == ["<string>"] * 2


def test_an_exception_that_is_told_is_shown_by_its_type() -> None:
    assert lines()["an exception for a field"]["error"] == "ValueError"
    assert "an exception for an argument: ValueError" in lines()


def test_a_line_has_time_level_logger_and_fields() -> None:
    line = lines()["ours"]

    assert (line["level"], line["name"], line["count"]) == ("info", "app", 3)
    assert line.keys() == {"event", "level", "logger", "timestamp", "name", "count"}
    assert lines()["theirs app"]["logger"] == "other"


@pytest.mark.parametrize(("level", "shown"), [("debug", True), ("info", False)])
def test_the_level_is_the_lowest_that_is_written(level: str, *, shown: bool) -> None:
    assert ("ours at debug" in lines(level)) is shown


@pytest.mark.parametrize("name", ["kopf.objects", "kopf.activities", "aiohttp.access"])
def test_chatty_loggers_only_warn(name: str) -> None:
    assert f"a warning of {name}" in lines("debug")


def test_a_token_is_blotted_out() -> None:
    assert lines()["a token for a field"]["token"] == "[redacted]"


SECRETS = {
    "a token": TOKEN,
    "a bearer": "Authorization: Bearer eyJhbGciOi.canary-value",
    "a bearer in small": "bearer canary-value==",
    "a private key": PEM,
    "a key of a kind": PEM.replace("PRIVATE", "RSA PRIVATE"),
    "a private key cut": PEM[:45],
    "a root key": f"the key {root_key()} is it",
}


def redacted(value: object) -> Any:
    return redact(None, "", {"field": value})["field"]


@pytest.mark.parametrize("text", SECRETS.values(), ids=SECRETS)
def test_what_looks_like_a_secret_is_blotted_out(text: str) -> None:
    shown = redacted(f"before {text} after")

    assert "[redacted]" in shown
    assert not [word for word in (CANARY, TOKEN[4:], root_key()) if word in shown]
    assert shown.startswith("before ")


WRAPPED: dict[str, tuple[object, object]] = {
    "bytes": (b"canary-value", "[redacted]"),
    "a list": ([TOKEN, "app"], ["[redacted]", "app"]),
    "a tuple in a list": ([(TOKEN, 1)], [["[redacted]", 1]]),
    "a map": ({"a": TOKEN}, "{'a': '[redacted]'}"),
    "an exception": (ValueError(CANARY), "ValueError"),
    "exceptions": ([ValueError(CANARY)], ["ValueError"]),
}


@pytest.mark.parametrize(("value", "shown"), WRAPPED.values(), ids=WRAPPED)
def test_a_secret_is_found_inside(value: object, shown: object) -> None:
    assert redacted(value) == shown


@pytest.mark.parametrize("value", ["app", "team/app", 3, 1.5, True, None, "0123abcd-1"])
def test_what_is_no_secret_stays(value: object) -> None:
    assert redacted(value) is value or redacted(value) == value


def raised() -> ValueError:
    def fail() -> NoReturn:
        raise ValueError(CANARY)

    try:
        fail()
    except ValueError as error:
        return error


def described(info: object) -> dict[str, Any]:
    return dict(describe_exception(None, "", {"event": "it broke", "exc_info": info}))


def test_an_exception_is_described_however_it_is_handed_over() -> None:
    error = raised()

    one = described(error)
    other = described((type(error), error, error.__traceback__))

    assert one == other
    assert one["exception"] == "ValueError"
    assert [at.partition(":")[0] for at in one["at"]] == ["test_logs.py"] * 2


@pytest.mark.parametrize("info", [None, True, (None, None, None)])
def test_where_nothing_was_raised_nothing_is_described(info: object) -> None:
    assert described(info) == {"event": "it broke"}


def test_an_exception_that_was_never_raised_has_no_place() -> None:
    assert described(ValueError(CANARY))["at"] == []
