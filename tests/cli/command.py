"""Runs the command in this process, as its user would see it."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner, Result

from tests.keyrings import keyring, root_key
from vaultferry.cli import main
from vaultferry.core.sealing import Place

CANARY = "canary-hunter2"


def run(*arguments: str, stdin: bytes = b"", **environ: str) -> Result:
    """Run the command and demand that nothing it shows holds the canary."""
    clean = {"ENCRYPTION_KEY": None, "ENCRYPTION_KEY_FILE": None}
    env = {**clean, "ENCRYPTION_KEY_EPOCH": None, **environ}
    runner = CliRunner(env=env)
    result = runner.invoke(main, arguments, input=stdin, prog_name="vaultferry")
    own = (root_key(1)[:16], root_key(2)[:16], "canary-plaintext")
    for secret in (CANARY, b64encode(CANARY.encode()).decode()[:16], *own):
        assert secret not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def refusal(*arguments: str, stdin: bytes = b"", **environ: str) -> str:
    """Run the command, which must refuse in one line; return it without its mark."""
    result = run(*arguments, stdin=stdin, **environ)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    return result.stderr.removeprefix("Error: ").rstrip("\n")


class Sealer:
    """`vaultferry seal` for one place, with files in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("key.pub", f"{keyring().public_key()}\n".encode())
        key_file = str(folder / "key.pub")
        place = ("--namespace", "backup", "--name", "app")
        self.arguments = ("seal", "--public-key", key_file, *place)

    def write(self, name: str, content: bytes) -> str:
        """Write a file and return the option's text for a field of that name."""
        path = self.folder / name
        path.write_bytes(content)
        return f"{name}={path}"

    def file(self, name: str, content: bytes) -> tuple[str, str]:
        """Return the option and its text for a field from a file."""
        return "--field-file", self.write(name, content)

    def run(self, *arguments: str, stdin: bytes = b"") -> Result:
        """Seal, which must succeed."""
        result = run(*self.arguments, *arguments, stdin=stdin)
        assert result.exit_code == 0, result.stderr
        return result

    def values(self, *arguments: str, stdin: bytes = b"") -> dict[str, bytes]:
        """Seal, and open all values of the manifest at their place."""
        return opened(yaml.safe_load(self.run(*arguments, stdin=stdin).stdout))

    def refusal(self, *arguments: str, stdin: bytes = b"") -> str:
        """Seal, which must be refused."""
        return refusal(*self.arguments, *arguments, stdin=stdin)


def opened(manifest: dict[str, Any]) -> dict[str, bytes]:
    """Return the values of a manifest, opened where it says it belongs."""
    where = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
    return {
        field: keyring().open(token, Place(*where, field))
        for field, token in manifest["spec"]["sealed"].items()
    }
