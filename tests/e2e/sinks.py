"""Every place where a value could come to light, read as bytes."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tests.controlplane import ControlPlane

# What the database and its log were made larger by before anything was in them.
_EMPTY = re.compile(rb"\0{64,}")


class Process(Protocol):
    """A process of ours that can be looked into."""

    log: Path

    @property
    def pid(self) -> int:
        """The process id while it runs."""
        ...

    def get(self, path: str) -> str:
        """Return what the health endpoint answers."""
        ...


@dataclass(frozen=True)
class Sinks:
    """The places that one process of ours and one control plane could leak into."""

    plane: ControlPlane
    process: Process
    folder: Path
    """Where the process was told that temporary files and its home are."""

    audit_from: int
    """The place in the audit log where the life began."""

    said: list[str]
    """What kubectl printed."""

    def read(self) -> dict[str, bytes]:
        """Return the content of every sink, by name."""
        objects = self._objects()
        ours = [o for o in objects if o["kind"] in {"VaultSecret", "Secret"}]
        pick: dict[str, Callable[[], Any]] = {
            "own log": self.process.log.read_bytes,
            "events": lambda: [o for o in objects if o["kind"] == "Event"],
            "status": lambda: [o.get("status") for o in ours],
            "metadata": lambda: [o["metadata"] for o in ours],
            "metrics": self._metrics,
            "every object": lambda: [_without_data(o) for o in objects],
            "every object as YAML": self._yaml,
            "kubectl": lambda: "\n".join(self.said).encode(),
            "audit log": self._audit,
            "etcd's database": lambda: self._etcd("snap/db"),
            "etcd's log": lambda: self._etcd("wal/*.wal"),
            "command line": lambda: self._proc("cmdline"),
            "files": lambda: _files(self.folder),
        }
        return {name: _bytes(read()) for name, read in pick.items()}

    def _kinds(self) -> str:
        listed = self.plane.kubectl("api-resources", "--verbs=list", "-o", "name")
        return ",".join(listed.split())

    def _objects(self) -> list[dict[str, Any]]:
        flags = ("--all-namespaces", "--show-managed-fields", "-o", "json")
        found = json.loads(self.plane.kubectl("get", self._kinds(), *flags))
        items: list[dict[str, Any]] = found["items"]
        return items

    def _yaml(self) -> bytes:
        """Read what a person sees who asks for everything except Secrets."""
        kinds = ",".join(k for k in self._kinds().split(",") if k != "secrets")
        return self.plane.kubectl("get", kinds, "-A", "-o", "yaml").encode()

    def _metrics(self) -> bytes:
        paths = ("/metrics", "/livez", "/readyz")
        return "".join(self.process.get(path) for path in paths).encode()

    def _audit(self) -> bytes:
        assert self.plane.audit_log is not None
        with self.plane.audit_log.open("rb") as log:
            log.seek(self.audit_from)
            return log.read()

    def _etcd(self, files: str) -> bytes:
        assert self.plane.etcd_dir is not None
        member = self.plane.etcd_dir / "member"
        raw = b"".join(path.read_bytes() for path in sorted(member.glob(files)))
        return _EMPTY.sub(bytes(64), raw)

    def _proc(self, name: str) -> bytes:
        return Path(f"/proc/{self.process.pid}/{name}").read_bytes()


def _bytes(content: Any) -> bytes:
    if isinstance(content, bytes):
        return content
    return json.dumps(content, ensure_ascii=False).encode()


def _without_data(body: dict[str, Any]) -> dict[str, Any]:
    """Leave out what a Secret is there to hold."""
    secret = body["kind"] == "Secret"
    return {k: v for k, v in body.items() if not secret or k != "data"}


def _files(folder: Path) -> bytes:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return b"".join(str(path).encode() + b"\n" + path.read_bytes() for path in paths)
