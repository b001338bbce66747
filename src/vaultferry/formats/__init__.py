"""How values are laid out in the Secret: each module offers `render` and `LAYOUT`.

`LAYOUT` is a number that is raised when the same values render to other data, so
that Secrets written by an older version are looked at again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from vaultferry import plugins
from vaultferry.core.errors import InvalidSpec, KeyInvalid

DEFAULT = ("fields",)


class Format(Protocol):
    """What a module of this folder offers."""

    LAYOUT: int

    def render(self, values: Mapping[str, bytes]) -> dict[str, bytes]:
        """Return the data of the Secret for these values."""
        ...


@dataclass(frozen=True)
class Rendering:
    """Data for a Secret, and the layout number of what made it."""

    data: Mapping[str, bytes]
    layout: int


def names() -> tuple[str, ...]:
    """Return every value of `spec.target.formats`."""
    return plugins.names(__name__)


def layout(formats: Sequence[str]) -> int:
    """Return the layout number of these formats together."""
    return sum(_load(name).LAYOUT for name in sorted(formats))


def render(formats: Sequence[str], values: Mapping[str, bytes]) -> Rendering:
    """Lay the values out in every one of these formats.

    Raises:
        InvalidSpec: this version has no such format.
        KeyInvalid: two formats write the same key.
    """
    data = together(_load(name).render(values) for name in sorted(formats))
    return Rendering(data, layout(formats))


def together(renderings: Iterable[Mapping[str, bytes]]) -> dict[str, bytes]:
    """Return what several renderings make together.

    Raises:
        KeyInvalid: two of them write the same key.
    """
    data: dict[str, bytes] = {}
    for rendering in renderings:
        for key, value in rendering.items():
            if data.get(key, value) != value:
                raise KeyInvalid(f"key {key} is written by two of spec.target.formats")
            data[key] = value
    return data


def _load(name: str) -> Format:
    try:
        return cast("Format", plugins.load(__name__, name))
    except LookupError:
        raise InvalidSpec("spec.target.formats is not known to this version") from None
