"""Searches bytes for canaries in every form, whole or only their first or last part."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.leaks.canary import Canary
from tests.leaks.forms import digests, forms

PIECE = 8
_AROUND = 40


@dataclass(frozen=True)
class Hit:
    """A trace of canaries that was found, and what stands around it."""

    canaries: tuple[str, ...]
    forms: tuple[str, ...]
    around: bytes


class Scanner:
    """Knows the traces of some canaries; canaries with the same head share most."""

    def __init__(self, canaries: Iterable[Canary]) -> None:
        self._traces: dict[bytes, set[tuple[str, str]]] = defaultdict(set)
        for canary in canaries:
            for form, trace in _traces(canary.value):
                self._traces[trace].add((canary.name, form))

    def __len__(self) -> int:
        """Return how many different traces are searched for."""
        return len(self._traces)

    def scan(self, data: bytes) -> list[Hit]:
        """Return the first place of each trace that is there."""
        return [
            Hit(
                canaries=tuple(sorted({name for name, _ in known})),
                forms=tuple(sorted({form for _, form in known})),
                around=data[max(0, place - _AROUND) : place + len(trace) + _AROUND],
            )
            for trace, known in self._traces.items()
            if (place := data.find(trace)) >= 0
        ]


def _traces(value: bytes) -> Iterator[tuple[str, bytes]]:
    yield from digests(value)
    for piece in _pieces(value):
        yield from forms(piece)


def _pieces(value: bytes) -> Iterator[bytes]:
    """Yield the first and the last part: of characters, where it is text."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        yield value[:PIECE]
        yield value[-PIECE:]
        return
    yield text[:PIECE].encode()
    yield text[-PIECE:].encode()
