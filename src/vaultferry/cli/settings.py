"""What `create` and `update` set of a spec beside the values."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from vaultferry import formats, secrettypes
from vaultferry.cli.refusal import Refused
from vaultferry.core.location import SETTINGS
from vaultferry.core.model import understood
from vaultferry.core.vaultsecret import Spec


def _complete_setting(
    _context: click.Context, _param: click.Parameter, incomplete: str
) -> list[str]:
    return [f"{name}=" for name in SETTINGS if name.startswith(incomplete)]


OPTIONS: tuple[click.Parameter, ...] = (
    click.Option(["--display-name"], help="spec.displayName, a name for people."),
    click.Option(["--description"], help="spec.description: what it is for."),
    click.Option(
        ["--location", "location"],
        multiple=True,
        metavar="SETTING=TEXT",
        shell_complete=_complete_setting,
        help="A setting of spec.location, such as region=eu-central-1; not encrypted.",
    ),
    click.Option(
        ["--format", "formats"],
        multiple=True,
        type=click.Choice(formats.names()),
        help="A format of spec.target.formats; default: fields.",
    ),
)


def read(type_name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the options ask for, as it stands in a spec.

    Raises:
        Refused: it is given twice, or is no setting.
        InvalidSpec: it is not for this type, or cannot be.
    """
    target = {"formats": _once("--format", options["formats"])}
    given = {
        "displayName": options["display_name"],
        "description": options["description"],
        "location": _location(options["location"]),
        "target": target if options["formats"] else None,
    }
    wanted = {key: value for key, value in given.items() if value}
    _check(type_name, understood(Spec, {"type": type_name, **wanted}))
    return wanted


def _check(type_name: str, spec: Spec) -> None:
    # What no such type takes, the type itself says later.
    if type_name not in secrettypes.names():
        return
    kind = secrettypes.load(type_name)
    kind.check_location(spec.location)
    for name in spec.target.formats:
        formats.loaded_for(name, kind)


def _location(settings: Sequence[str]) -> dict[str, str]:
    parted = [setting.partition("=") for setting in settings]
    if any(name not in SETTINGS or not text for name, _, text in parted):
        raise Refused(
            "--location: SETTING=TEXT wanted, where SETTING is one of "
            f"{', '.join(SETTINGS)}"
        )
    _once("--location", [name for name, _, _ in parted])
    return {name: text for name, _, text in parted}


def _once(option: str, names: Sequence[str]) -> list[str]:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise Refused(f"{option}: given twice: {', '.join(twice)}")
    return list(names)
