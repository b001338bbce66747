"""What the environment, and so the command line of make, asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

UNLIMITED = 10**9


class SettingInvalid(Exception):
    """A variable says something that cannot be."""


@dataclass(frozen=True)
class Versus:
    """Another operator: its binary, its CRDs, its options where not ours."""

    binary: Path
    crds: Path
    options: tuple[str, ...] | None


@dataclass(frozen=True)
class Settings:
    """What is to be measured."""

    sizes: tuple[int, ...]
    rest_seconds: float
    json: Path | None
    versus: Mapping[str, Versus]
    doppler_limit: int = UNLIMITED
    """How many calls a minute the Doppler lets through."""


def read(environ: Mapping[str, str]) -> Settings:
    """Read N, REST, JSON, DOPPLER_LIMIT and the paths of others.

    Raises:
        SettingInvalid: one of them says something that cannot be.
    """
    try:
        sizes = tuple(int(text) for text in (environ.get("N") or "1000").split(","))
        rest = float(environ.get("REST") or 60)
        limit = int(environ.get("DOPPLER_LIMIT") or UNLIMITED)
    except ValueError:
        raise SettingInvalid(
            "N=1000 or N=1000,10000, REST=60 and DOPPLER_LIMIT=480 are wanted"
        ) from None
    if min(*sizes, limit) < 1 or rest <= 0:
        raise SettingInvalid("N, REST and DOPPLER_LIMIT are positive")
    json = environ.get("JSON")
    names = ("eso", "sealed")
    found = {name: _versus(environ, f"VERSUS_{name.upper()}") for name in names}
    return Settings(
        sizes=sizes,
        rest_seconds=rest,
        json=Path(json) if json else None,
        doppler_limit=limit,
        versus={name: versus for name, versus in found.items() if versus},
    )


def _versus(environ: Mapping[str, str], name: str) -> Versus | None:
    binary, crds = environ.get(name), environ.get(f"{name}_CRDS")
    if not binary:
        return None
    if not crds or not Path(crds).exists() or not Path(binary).is_file():
        raise SettingInvalid(f"{name} is a binary, {name}_CRDS the folder of its CRDs")
    options = environ.get(f"{name}_OPTIONS")
    split = tuple(options.split()) if options is not None else None
    return Versus(Path(binary).resolve(), Path(crds), split)
