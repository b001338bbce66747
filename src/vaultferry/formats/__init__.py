"""How values are laid out in the Secret: one module for each format.

A module offers `SUMMARY`, `LAYOUT`, `takes` and `render`. Its name, with - for _, is
the format's. `LAYOUT` is a number that is raised when the same credential renders to
other data, also where that is because of a type, so that Secrets written by an older
version are looked at again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from vaultferry import plugins
from vaultferry.core import template
from vaultferry.core.errors import InvalidSpec, KeyInvalid
from vaultferry.core.opened import Opened
from vaultferry.core.secrettype import SecretType
from vaultferry.core.vaultsecret import Target

DEFAULT = ("fields",)


class Format(Protocol):
    """What a module of this folder offers."""

    SUMMARY: str
    """What it writes, in a phrase."""

    LAYOUT: int

    def takes(self, kind: SecretType) -> bool:
        """Tell whether it is for credentials of that type."""
        ...

    def render(self, opened: Opened) -> dict[str, bytes]:
        """Return the data of the Secret for a credential.

        Raises:
            InvalidSpec: the location lacks what the format needs.
            ValueInvalid: a value cannot be expressed.
        """
        ...


@dataclass(frozen=True, repr=False)
class Rendering:
    """Data for a Secret, and the layout number of what made it."""

    data: Mapping[str, bytes]
    layout: int


def names() -> tuple[str, ...]:
    """Return every value of `spec.target.formats`."""
    return tuple(name.replace("_", "-") for name in plugins.names(__name__))


def load(name: str) -> Format:
    """Return the format of that name.

    Raises:
        InvalidSpec: this version has no such format.
    """
    if name not in names():
        raise InvalidSpec("spec.target.formats is not known to this version")
    return cast("Format", plugins.load(__name__, name.replace("-", "_")))


def loaded_for(name: str, kind: SecretType) -> Format:
    """Return the format of that name, for credentials of a type.

    Raises:
        InvalidSpec: this version has no such format, or it is not for that type.
    """
    wanted = load(name)
    if not wanted.takes(kind):
        raise InvalidSpec(
            f"format {name} is not for type {kind.name}: take it out of "
            "spec.target.formats"
        )
    return wanted


def layout(target: Target) -> int:
    """Return the layout number of all that a target asks for."""
    of_template = template.LAYOUT if target.template else 0
    return sum(load(name).LAYOUT for name in target.formats) + of_template


def render(target: Target, opened: Opened) -> Rendering:
    """Lay a credential out in all ways that a target asks for.

    Raises:
        InvalidSpec: the target asks for what there is not, or not for this type.
        ValueInvalid: a format cannot express a value.
        KeyInvalid: two of them write the same key.
        TooLarge: the templates make more than fits.
    """
    data = together([*_rendered(target.formats, opened), _templates(target, opened)])
    if not data:
        raise InvalidSpec("spec.target has no formats and no template: name one")
    return Rendering(data, layout(target))


def together(renderings: Iterable[Mapping[str, bytes]]) -> dict[str, bytes]:
    """Return what several renderings make together.

    Raises:
        KeyInvalid: two of them write the same key.
    """
    data: dict[str, bytes] = {}
    for rendering in renderings:
        for key, value in rendering.items():
            if data.get(key, value) != value:
                raise KeyInvalid(
                    f"key {key} is written by two of spec.target.formats and "
                    "spec.target.template: leave one out"
                )
            data[key] = value
    return data


def _rendered(formats: Sequence[str], opened: Opened) -> Iterable[Mapping[str, bytes]]:
    for name in sorted(formats):
        yield loaded_for(name, opened.kind).render(opened)


def _templates(target: Target, opened: Opened) -> Mapping[str, bytes]:
    return template.render(target.template, opened)
