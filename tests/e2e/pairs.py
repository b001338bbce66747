"""Every type with its methods, settings and formats, as it is taken and refused."""

from collections.abc import Iterable, Iterator
from typing import Any

from tests.formats.samples import SETTINGS
from vaultferry import formats, secrettypes
from vaultferry.core.secrettype import SecretType

Spec = dict[str, Any]
Wrong = tuple[str, Spec, str]

VALUE = "canary-4b9e"

_TYPES = [secrettypes.load(name) for name in secrettypes.names()]
_METHODS = [method for kind in _TYPES for method in kind.methods]


def _spec(kind: SecretType, method: str | None, names: Iterable[str]) -> Spec:
    sealed = dict.fromkeys(names, f"vf1.{VALUE}")
    chosen = {"authMethod": method} if method else {}
    return {"type": kind.name, **chosen, "sealed": sealed}


def _fitting() -> Iterator[tuple[str, Spec]]:
    for kind in _TYPES:
        fields = kind.fields(None)
        names = fields.required if fields else ("any",)
        yield f"{kind.name} alone", _spec(kind, None, names)
        for method, of_method in kind.methods.items():
            case = f"{kind.name} with {method}"
            yield case, _spec(kind, method, of_method.required)
            yield f"{case}, all fields", _spec(kind, method, of_method.names)
        yield f"{kind.name}, all settings and formats", _laid_out(kind, names)


def _laid_out(kind: SecretType, names: Iterable[str]) -> Spec:
    """Return a spec with every setting and format that a type takes."""
    location = {name: SETTINGS[name] for name in kind.location}
    taken = [name for name in formats.names() if formats.load(name).takes(kind)]
    settings = {"location": location} if location else {}
    return _spec(kind, None, names) | settings | {"target": {"formats": taken}}


def _wrong_setting(kind: SecretType) -> Wrong:
    fields = kind.fields(None)
    other = next(name for name in SETTINGS if name not in kind.location)
    location = {name: SETTINGS[name] for name in (*kind.location, other)}
    own = ", ".join(kind.location)
    return (
        f"{kind.name} with {other}",
        _spec(kind, None, fields.required if fields else ("any",))
        | {"location": location},
        f"type {kind.name} takes {f'{own} under' if own else 'no'} spec.location",
    )


def _wrong_format(name: str) -> Iterator[Wrong]:
    for kind in _TYPES:
        if not formats.load(name).takes(kind):
            fields = kind.fields(None)
            spec = _spec(kind, None, fields.required if fields else ("any",))
            target = {"target": {"formats": ["fields", name]}}
            words = f"format {name} is for type "
            yield f"{name} of {kind.name}", spec | target, words
            return


def _wrong_fields(kind: SecretType, method: str) -> Iterator[Wrong]:
    fields = kind.methods[method]
    case = f"{kind.name} with {method}"
    words = f"takes exactly {', '.join(fields.required)}"
    for name in fields.required:
        others = [other for other in fields.required if other != name]
        absent = _spec(kind, method, others or ["any"])
        yield f"{case}, without {name}", absent, words
        misspelt = _spec(kind, method, [*others, f"{name}s"])
        yield f"{case}, {name} misspelt", misspelt, words
        empty = _spec(kind, method, fields.required)
        empty["sealed"][name] = ""
        yield f"{case}, {name} empty", empty, "every value under sealed starts with"
    more = _spec(kind, method, [*fields.names, "any"])
    yield f"{case}, one field more", more, words


def _wrong_method(kind: SecretType) -> Wrong:
    other = next(method for method in _METHODS if method not in kind.methods)
    names = next(iter(kind.methods.values())).required if kind.methods else ("any",)
    own = ", ".join(kind.methods)
    words = f"takes spec.authMethod {own}" if own else "takes no spec.authMethod"
    return (
        f"{kind.name} with {other}",
        _spec(kind, other, names),
        f"type {kind.name} {words}",
    )


def _wrong() -> Iterator[Wrong]:
    for name in formats.names():
        yield from _wrong_format(name)
    for kind in _TYPES:
        yield _wrong_setting(kind)
        yield _wrong_method(kind)
        for method in kind.methods:
            yield from _wrong_fields(kind, method)


FITTING: dict[str, Spec] = dict(_fitting())
WRONG: dict[str, tuple[Spec, str]] = {
    case: (spec, words) for case, spec, words in _wrong()
}
