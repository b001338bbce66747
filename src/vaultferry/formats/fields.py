"""Every field under its own name, as it is."""

from collections.abc import Mapping

LAYOUT = 1


def render(values: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the values unchanged."""
    return dict(values)
