"""What a pod finds in its environment and in its files."""

from pathlib import Path

import pytest

from tests.apiserver.files import CANARY
from tests.apiserver.https import Asked, Https, asked
from tests.controlplane.certificates import Authority
from tests.running import run
from vaultferry.apiserver import pod
from vaultferry.apiserver.credentials import TokenFile, Unusable
from vaultferry.apiserver.server import ApiServer

AUTHORITY = Authority("ours")


@pytest.fixture(autouse=True)
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be a pod: the folder with its account."""
    monkeypatch.setattr(pod, "_FOLDER", tmp_path)
    at("10.96.0.1", "443", monkeypatch)
    (tmp_path / "token").write_text("made-up\n")
    (tmp_path / "ca.crt").write_text(AUTHORITY.certificate)
    return tmp_path


def at(host: str, port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)


def test_a_pod_shows_its_token_and_trusts_its_authority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def there(url: str) -> ApiServer:
        at("127.0.0.1", url.rpartition(":")[2], monkeypatch)
        return pod.api_server()

    assert asked(Https(AUTHORITY, tmp_path), there) == Asked("Bearer made-up", None)
    assert asked(Https(Authority("a stranger"), tmp_path), there) is None


def test_an_address_of_ipv6_stands_in_brackets(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pod.api_server().url == "https://10.96.0.1:443"

    at("fd00::1", "6443", monkeypatch)

    assert pod.api_server().url == "https://[fd00::1]:6443"


@pytest.mark.parametrize(("host", "port"), [("", "443"), ("10.96.0.1", "")])
def test_without_an_address_it_is_no_pod(
    host: str, port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(host, port, monkeypatch)

    assert not pod.is_here()
    with pytest.raises(Unusable, match=r"^set KUBECONFIG, or run in a pod$"):
        pod.api_server()


@pytest.mark.parametrize("content", [None, "", f"{CANARY}\n{CANARY}"])
@pytest.mark.parametrize("name", ["token", "ca.crt"])
def test_without_an_account_it_cannot_be_used(
    name: str, content: str | None, account: Path
) -> None:
    (account / name).unlink()
    if content is not None:
        (account / name).write_text(content)

    with pytest.raises(Unusable, match=r"of the pod (is no|cannot be)") as caught:
        pod.api_server()

    assert CANARY not in str(caught.value)


class Clock:
    """Stands still until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_token_is_read_again_after_a_minute(account: Path) -> None:
    clock = Clock()
    credentials = TokenFile(account / "token", "the token", clock)
    (account / "token").write_text("second")

    clock.now = 59.0
    assert run(credentials.authorization()) == "Bearer made-up"
    clock.now = 60.0
    assert run(credentials.authorization()) == "Bearer second"
    (account / "token").write_text("third")
    clock.now = 119.0
    assert run(credentials.authorization()) == "Bearer second"


def test_a_token_that_is_refused_is_read_again_at_once(account: Path) -> None:
    credentials = TokenFile(account / "token", "the token", Clock())
    (account / "token").write_text("second")

    credentials.refused("Bearer another")
    assert run(credentials.authorization()) == "Bearer made-up"
    credentials.refused("Bearer made-up")
    assert run(credentials.authorization()) == "Bearer second"


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_while_a_token_is_not_there_the_old_one_holds(
    content: str | None, account: Path
) -> None:
    clock = Clock()
    credentials = TokenFile(account / "token", "the token", clock)
    (account / "token").unlink()
    if content is not None:
        (account / "token").write_text(content)
    clock.now = 60.0

    assert run(credentials.authorization()) == "Bearer made-up"


def test_the_namespace_is_that_of_the_account(account: Path) -> None:
    assert pod.namespace("otherwise") == "otherwise"
    (account / "namespace").write_text("shop\n")
    assert pod.namespace("otherwise") == "shop"
