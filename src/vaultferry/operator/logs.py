"""Logs as JSON lines, redacted: the last line of defence, not the first."""

import logging
import re
import sys
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any

import structlog

# At DEBUG these print whole objects, patches and requests.
_NEVER_DEBUG = ("aiohttp", "asyncio", "kopf", "kubernetes", "urllib3")

_SECRETS = re.compile(
    r"vf1\.[\w.\-]+"
    r"|(?i:bearer)\s+[\w.~+/\-]+=*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)"
    r"|[A-Za-z0-9+/_\-]{43}=",
    re.DOTALL,
)
_REDACTED = "[redacted]"

Fields = MutableMapping[str, Any]


def configure(level: str) -> None:
    """Send every log of the process to stderr, one JSON object a line.

    Args:
        level: the lowest level that is written, such as `info`.
    """
    shared: list[structlog.types.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        describe_exception,
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_name_exceptions)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                redact,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in _NEVER_DEBUG:
        logging.getLogger(name).setLevel(max(logging.root.level, logging.INFO))
    for name in ("kopf.objects", "kopf.activities", "aiohttp.access"):
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def describe_exception(_logger: object, _method: str, fields: Fields) -> Fields:
    """Replace an exception by its type and where it was raised.

    Its text stays out: that of a library may quote a value.
    """
    info = fields.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    if isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    if isinstance(info, tuple) and info[0] is not None:
        fields["exception"] = info[0].__name__
        fields["at"] = _frames(info[2])
    return fields


def redact(_logger: object, _method: str, fields: Fields) -> Fields:
    """Blot out what looks like a token, a key or a bearer."""
    return {name: _redacted(value) for name, value in fields.items()}


def _name_exceptions(record: logging.LogRecord) -> bool:
    """Have arguments of a message that are exceptions shown by their type."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            type(a).__name__ if isinstance(a, BaseException) else a for a in record.args
        )
    return True


def _redacted(value: object) -> object:
    if isinstance(value, BaseException):
        return type(value).__name__
    if isinstance(value, str):
        return _SECRETS.sub(_REDACTED, value)
    if isinstance(value, bytes):
        return _REDACTED
    if isinstance(value, (list, tuple)):
        return [_redacted(item) for item in value]
    return (
        value if isinstance(value, (int, float, type(None))) else _redacted(str(value))
    )


def _frames(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace)[-6:]
    return [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames]
