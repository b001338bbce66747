"""What the commands share that run as a process of the cluster."""

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any

import click
import structlog

log = structlog.get_logger()

# Most of what is made lives as long as one object is worked on, and has no cycles: the
# collector looks less often, and never at what the imports left behind.
_YOUNG, _OLDER = 20_000, (20, 20)

LEVELS = click.Choice(["debug", "info", "warning", "error"])


def run_until_stopped(process: Coroutine[Any, Any, None]) -> None:
    """Run a process; log what ends it unexpectedly, and exit."""
    gc.freeze()
    gc.set_threshold(_YOUNG, *_OLDER)
    try:
        asyncio.run(process)
    except Exception as error:
        if isinstance(error, click.ClickException):
            raise
        # Logged here, because Python itself would print the texts of the exception.
        log.exception("stopped by an unexpected error")
        raise SystemExit(1) from None
