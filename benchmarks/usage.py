"""CPU and memory of processes, from /proc (Linux only)."""

import asyncio
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.controlplane import ControlPlane

_QUIET_SECONDS = 1.0
_QUIET_SHARE = 0.05
_STEP = 0.1
_LIMIT = 600


@dataclass(frozen=True)
class Memory:
    """What a process holds now, and what it held at most."""

    now_mib: float
    peak_mib: float

    @classmethod
    def of(cls, pid: int) -> Self:
        """Read the memory of a process."""
        text = Path(f"/proc/{pid}/status").read_text()
        return cls(_kib(text, "VmRSS") / 1024, _kib(text, "VmHWM") / 1024)


@dataclass(frozen=True)
class Cpu:
    """CPU seconds, up to now or between two moments."""

    own: float
    apiserver: float
    etcd: float

    @classmethod
    def of(cls, pid: int | None, plane: ControlPlane) -> Self:
        """Read what a process and the servers have used; no process is none."""
        used = plane.usage()
        return cls(
            own=seconds(pid) if pid else 0.0,
            apiserver=used["kube-apiserver"].cpu_seconds,
            etcd=used["etcd"].cpu_seconds,
        )

    def __sub__(self, before: "Cpu") -> "Cpu":
        return Cpu(
            self.own - before.own,
            self.apiserver - before.apiserver,
            self.etcd - before.etcd,
        )

    def per_1000(self, objects: int) -> dict[str, float]:
        """Return what a thousand objects cost, by the names of the figures."""
        share = 1000 / objects
        return {
            "cpu_s_per_1000": self.own * share,
            "apiserver_cpu_s_per_1000": self.apiserver * share,
            "etcd_cpu_s_per_1000": self.etcd * share,
        }


def seconds(pid: int) -> float:
    """Return the CPU seconds of a process."""
    # The second field, the command, may hold spaces; the rest follows its bracket.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def has_ended(pid: int) -> bool:
    """Tell whether a child has ended, though nobody has asked for its exit code."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


async def settled(pid: int) -> float:
    """Wait until a process has come to rest; return since when (monotonic).

    At rest is who used less than a twentieth of a core for a second.
    """
    began = time.monotonic()
    since, used = began, seconds(pid)
    while time.monotonic() - since < _QUIET_SECONDS:
        await asyncio.sleep(_STEP)
        now = seconds(pid)
        if now - used > _QUIET_SHARE * _QUIET_SECONDS:
            since, used = time.monotonic(), now
        if time.monotonic() - began > _LIMIT:
            raise TimeoutError(f"process {pid} does not come to rest")
    return since


def _kib(text: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", text, re.MULTILINE)
    assert found is not None
    return int(found[1])
