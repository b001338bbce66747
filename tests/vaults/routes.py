"""Which function answers which path."""

import dataclasses
import re
from collections.abc import Callable, Mapping
from urllib.parse import unquote

from tests.vaults.message import Answer, Asked

Handler = Callable[[Asked], Answer]


class Routes:
    """Handlers by method and path, such as `GET /v1/vaults/{vault}`."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = [
            (_pattern(route), handler) for route, handler in handlers.items()
        ]

    def answer(self, asked: Asked) -> Answer | None:
        """Have the request answered; None where nobody is there for it."""
        # A slash at the end is nobody's business.
        target = f"{asked.method} {asked.path.rstrip('/')}"
        for pattern, handler in self._handlers:
            found = pattern.fullmatch(target)
            if found:
                parts = {
                    name: unquote(text) for name, text in found.groupdict().items()
                }
                return handler(dataclasses.replace(asked, parts=parts))
        return None


def _pattern(route: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", route))
