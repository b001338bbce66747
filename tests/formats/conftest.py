"""The tools that read back what formats write."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.formats import tools


@dataclass(frozen=True)
class Tools:
    """Real tools, each in a folder with the files that it reads."""

    folder: Path
    reader: "subprocess.Popen[str]"

    def read(
        self, name: str, data: Mapping[str, bytes], **variables: str
    ) -> dict[str, Any]:
        """Return what a function of `reader.py` makes of these files and variables."""
        self._write(data)
        assert self.reader.stdin is not None
        assert self.reader.stdout is not None
        request = [name, str(self.folder), variables]
        self.reader.stdin.write(json.dumps(request) + "\n")
        self.reader.stdin.flush()
        answer: dict[str, Any] = json.loads(self.reader.stdout.readline())
        return answer

    def boto(
        self, name: str, data: Mapping[str, bytes], **variables: str
    ) -> dict[str, Any]:
        """Return what boto3 makes of its two files, in a clean environment."""
        files = {
            "AWS_CONFIG_FILE": str(self.folder / "config"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_SHARED_CREDENTIALS_FILE": str(self.folder / "credentials"),
        }
        return self.read(name, data, **files, **variables)

    def rclone(self, data: Mapping[str, bytes], *arguments: str) -> str:
        """Return what rclone says, with its configuration."""
        self._write(data)
        path = self.folder / "rclone.conf"
        return self._run(str(tools.rclone()), f"--config={path}", *arguments)

    def rclone_login(self, data: Mapping[str, bytes], *arguments: str) -> None:
        """Have rclone list its remote, with any result."""
        self._write(data)
        path = self.folder / "rclone.conf"
        command = (str(tools.rclone()), f"--config={path}", "lsf", "remote:")
        self._done(*command, *arguments)

    def s3cmd(self, data: Mapping[str, bytes], *arguments: str) -> str:
        """Return what s3cmd says, with its configuration."""
        self._write(data)
        script, path = tools.packages() / "bin" / "s3cmd", self.folder / ".s3cfg"
        return self._run(sys.executable, str(script), f"--config={path}", *arguments)

    def b2_login(self, **variables: str) -> None:
        """Have Backblaze's command log in with these variables, with any result."""
        where = {"HOME": str(self.folder), "B2_ACCOUNT_INFO": str(self.folder / "b2")}
        script = tools.packages() / "bin" / "b2"
        command = (sys.executable, str(script), "account", "authorize")
        self._done(*command, **where, **variables)

    def _run(self, *command: str) -> str:
        done = self._done(*command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _done(
        self, *command: str, **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command,
            env=tools.environment(**variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def _write(self, data: Mapping[str, bytes]) -> None:
        for old in self.folder.iterdir():
            if old.is_file():
                old.unlink()
        for key, value in data.items():
            (self.folder / key).write_bytes(value)


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tools]:
    """The tools, of which those in Python share one process."""
    reader = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "reader.py")],
        env=tools.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with reader:
        yield Tools(tmp_path_factory.mktemp("formats"), reader)
        assert reader.stdin is not None
        reader.stdin.close()
