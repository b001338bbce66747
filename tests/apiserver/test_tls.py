"""A key that has to be in a file is there for a moment, for nobody else."""

import ssl
from pathlib import Path
from typing import Any, cast

from vaultferry.apiserver.tls import show


class Looking:
    """Takes the place of a TLS context, and looks at what it is given."""

    seen: tuple[Path, int, bytes]

    def load_cert_chain(self, certificate: Path, key: Path, password: str) -> None:
        del certificate
        assert password == ""
        self.seen = (key, key.stat().st_mode & 0o777, key.read_bytes())


def test_a_key_is_in_a_file_of_its_owner_and_only_while_it_is_read() -> None:
    looking: Any = Looking()

    show(cast("ssl.SSLContext", looking), b"certificate", b"key")

    path, mode, content = looking.seen
    assert (mode, content) == (0o600, b"key")
    assert not path.exists()


def test_a_key_that_is_in_a_file_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"key")
    looking: Any = Looking()

    show(cast("ssl.SSLContext", looking), b"certificate", tmp_path / "key")

    assert looking.seen[0] == tmp_path / "key"
