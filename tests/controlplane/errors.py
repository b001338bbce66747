"""What can go wrong with the control plane itself, in words for a person."""

from pathlib import Path


class ControlPlaneError(RuntimeError):
    """The control plane cannot be built, started or asked."""


def last_lines(log: Path, count: int = 20) -> str:
    """Return the end of a log, indented, for an error message."""
    text = log.read_text(errors="replace") if log.exists() else ""
    lines = text.splitlines()[-count:] or ["(nothing was logged)"]
    return "\n".join(f"    {line}" for line in lines)
