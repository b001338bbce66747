"""The real tools that read back what formats write."""

from pathlib import Path

from tests import toolbox

RCLONE = Path(__file__).parent / "rclone"


def packages() -> Path:
    """Return the folder with the Python packages of requirements/tools.lock."""
    return toolbox.packages("tools.lock", "tools that read back formats")


def rclone() -> Path:
    """Return rclone."""
    return toolbox.binary("rclone", RCLONE, ("go.mod", "go.sum", "main.go"))


def environment(**variables: str) -> dict[str, str]:
    """Return an environment with the packages, these variables, and nothing else."""
    return toolbox.environment(packages(), **variables)
