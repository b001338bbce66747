"""What can be done to a request on demand."""

from collections.abc import AsyncIterator, Callable, Iterable

from tests.vaults.message import Answer
from tests.vaults.record import Entry
from tests.vaults.vault import Kept

SHOWN = "{shown}"
"""In body and headers of an answer: the tokens that the request itself showed."""

_CHUNK = b" " * 65536

HTML = "<html><head><title>502 Bad Gateway</title></head><body></body></html>"


class Fault(Kept):
    """A fault, and the requests that it is done to. Its parts add up."""

    name: str = "fault"
    path: str = ""
    """How the path of a request begins."""

    method: str = ""
    """The only method that is meant; nothing for any."""

    operation: str = ""
    """The only operation of AWS that is meant; nothing for any."""

    matches: Callable[[Entry], bool] | None = None
    """Which of these are meant; a test in the same process may say so."""

    skip: int = 0
    """How many that are meant are let pass first."""

    times: int | None = None
    """To how many it is done; None while the fault is there."""

    met: int = 0
    """How many were meant so far."""

    delay: float = 0
    """Seconds until the request is looked at."""

    hang: bool = False
    """Nothing is answered, and the connection stays open."""

    reset: bool = False
    """The connection ends with a TCP reset: at once, or where `cut` says."""

    cut: int | None = None
    """The connection ends after so many bytes of the body."""

    status: int | None = None
    """It is answered with this, `headers` and `body`; the vault hears nothing of it."""

    headers: dict[str, str] = {}
    body: str = ""
    size: int = 0
    """How long `body` is made, with blanks that are never held at once."""

    def takes(self, entry: Entry) -> bool:
        """Count a request, and tell whether the fault is for it."""
        if not self._means(entry):
            return False
        self.met += 1
        after = self.met - self.skip
        return after > 0 and (self.times is None or after <= self.times)

    def answer(self, shown: Iterable[str] = ()) -> Answer | None:
        """Return what is answered instead of the vault; None where it answers."""
        if self.status is None:
            return None
        words = " ".join(shown)
        body = self.body.replace(SHOWN, words).encode()
        headers = {k: v.replace(SHOWN, words) for k, v in self.headers.items()}
        if self.size > len(body):
            return Answer(self.status, _padded(body, self.size), headers)
        return Answer(self.status, body, headers)

    def _means(self, entry: Entry) -> bool:
        return (
            entry.path.startswith(self.path)
            and self.method in {"", entry.method}
            and self.operation in {"", entry.operation}
            and (self.matches is None or self.matches(entry))
        )


async def _padded(body: bytes, size: int) -> AsyncIterator[bytes]:
    yield body
    left = size - len(body)
    while left:
        piece = _CHUNK[:left]
        left -= len(piece)
        yield piece


def bad_gateway(times: int | None = None, path: str = "") -> Fault:
    """Answer as the proxy of a vault that is gone does, in HTML."""
    headers = {"content-type": "text/html"}
    return Fault(
        name="502", path=path, times=times, status=502, headers=headers, body=HTML
    )


def too_many(
    times: int | None = None, path: str = "", retry_after: int | None = None
) -> Fault:
    """Answer 429, with or without a word on when to come again."""
    headers = {"content-type": "application/json"}
    if retry_after is not None:
        headers["retry-after"] = str(retry_after)
    return Fault(
        name="429", path=path, times=times, status=429, headers=headers, body="{}"
    )


def truncated(times: int | None = None, path: str = "") -> Fault:
    """Answer a complete 200 whose JSON stops in the middle."""
    headers = {"content-type": "application/json"}
    return Fault(
        name="truncated JSON",
        path=path,
        times=times,
        status=200,
        headers=headers,
        body='{"secrets": [{"sec',
    )
