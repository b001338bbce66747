"""A VaultSecret as YAML that every reader reads alike."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import yaml

from vaultferry.core.model import GROUP, VERSION
from vaultferry.core.vaultsecret import KIND

# PyYAML quotes what it would itself read as another type. kubectl's reader also takes
# y for true and 1e3 for a number, both of which are legal names: quote these as well.
_SAFE_PLAIN = re.compile(r"[A-Za-z_].+", re.DOTALL)


class _Dumper(yaml.SafeDumper):
    """Quotes what some reader of YAML would not take for text."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if _SAFE_PLAIN.fullmatch(text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _text)


def write(
    place: tuple[str, str],
    type_name: str,
    method: str | None,
    sealed: Mapping[str, str],
) -> str:
    """Return the manifest of a VaultSecret, by namespace and name."""
    manifest = body(place, type_name, method, sealed)
    return yaml.dump(manifest, Dumper=_Dumper, sort_keys=False, width=float("inf"))


def body(
    place: tuple[str, str],
    type_name: str,
    method: str | None,
    sealed: Mapping[str, str],
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return a VaultSecret, by namespace and name, with settings of its spec."""
    namespace, name = place
    spec: dict[str, Any] = {"type": type_name}
    if method is not None:
        spec["authMethod"] = method
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "metadata": {"namespace": namespace, "name": name},
        "spec": {**settings, **spec, "sealed": dict(sealed)},
    }
