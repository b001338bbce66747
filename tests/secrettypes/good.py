"""A made-up credential of the known shape for every type and method.

Each stands in the test of its type, as `GOOD`.
"""

from importlib import import_module
from types import ModuleType

from vaultferry import secrettypes


def module_of(name: str) -> ModuleType:
    """Return the module that tests a type."""
    return import_module(f"tests.secrettypes.test_{name}")


GOOD: dict[tuple[str, str | None], dict[str, bytes]] = {
    (name, method): values
    for name in secrettypes.names()
    for method, values in module_of(name).GOOD.items()
}
