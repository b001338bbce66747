"""A folder of modules is a registry: a new module is a new entry."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType


@cache
def names(package: str) -> tuple[str, ...]:
    """Return the names of a package's modules in order; a leading _ hides one."""
    path = import_module(package).__path__
    return tuple(
        sorted(m.name for m in iter_modules(path) if not m.name.startswith("_"))
    )


def load(package: str, name: str) -> ModuleType:
    """Import the module of that name from a package.

    Raises:
        LookupError: the package has no such module. The name is checked before
            anything is imported, because it may come from a manifest.
    """
    if name not in names(package):
        raise LookupError(f"{package} has no {name}: {', '.join(names(package))}")
    return import_module(f"{package}.{name}")
