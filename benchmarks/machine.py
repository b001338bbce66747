"""What it was measured on, for without that no figure means anything."""

import os
import platform
from dataclasses import dataclass

BUSY = 0.5
"""Load per core from which other work distorts the figures."""


@dataclass(frozen=True)
class Machine:
    """The machine, the versions, and how busy it was before the start."""

    cores: int
    load: float
    system: str
    python: str
    kubernetes: str

    @property
    def is_busy(self) -> bool:
        """Whether others were at work when it began."""
        return self.load > BUSY * self.cores

    def lines(self) -> list[str]:
        """Describe it to a person."""
        text = (
            f"{self.cores} cores, {self.system}, Python {self.python}, "
            f"Kubernetes {self.kubernetes}, load average at start {self.load:.2f}"
        )
        if not self.is_busy:
            return [text]
        return [text, "WARNING: the machine was busy at the start, figures are too low"]


def load() -> float:
    """Return the load average of the last minute."""
    return os.getloadavg()[0]


def machine(kubernetes: str, before: float) -> Machine:
    """Look at this machine."""
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        load=round(before, 2),
        system=f"{platform.system()} {platform.machine()}".lower(),
        python=platform.python_version(),
        kubernetes=kubernetes,
    )
