"""The vendor's SDK itself, as far as it goes without an account.

No real account was tried: what an account answers is known from the SDK's types only.
"""

import inspect
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.metadata import metadata, version

import onepassword
import pytest
from onepassword.items_files import ItemsFiles

from tests.running import run
from tests.vaults import service_account
from vaultferry.core.errors import AuthenticationFailed, Failure, Unreachable
from vaultferry.providers import _onepassword_sdk
from vaultferry.providers._onepassword_sdk import Sdk


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (service_account.Client.authenticate, onepassword.Client.authenticate),
        (service_account.Vaults.list, onepassword.Vaults.list),
        (service_account.Items.list, onepassword.Items.list),
        (service_account.Items.get_all, onepassword.Items.get_all),
        (service_account.Files.read, ItemsFiles.read),
    ],
    ids=lambda each: each.__qualname__,
)
def test_the_stand_in_is_called_as_the_sdk_is(ours: object, theirs: object) -> None:
    assert inspect.iscoroutinefunction(ours)
    assert inspect.iscoroutinefunction(theirs)
    assert _parameters(ours) == _parameters(theirs)


def _parameters(of: object) -> list[tuple[str, object, bool]]:
    assert callable(of)
    parameters = inspect.signature(of).parameters.values()
    return [(p.name, p.kind, p.default is p.empty) for p in parameters]


def test_its_clients_have_what_is_asked_of_them() -> None:
    class Inner:
        client_id = 1

    assert {"vaults", "items"} <= onepassword.Client.__annotations__.keys()
    assert isinstance(onepassword.Items(Inner()).files, ItemsFiles)


def test_it_is_the_one_that_the_extra_names() -> None:
    needs = metadata("vaultferry").get_all("Requires-Dist") or []
    pinned = f"onepassword-sdk=={version('onepassword-sdk')}"

    assert [need for need in needs if need.startswith(pinned)]


def asked(token: str) -> Failure:
    """Return what asking as a service account comes to."""

    async def story() -> Failure:
        with pytest.raises(Failure) as caught:
            await Sdk(token, _onepassword_sdk.load).vaults()
        return caught.value

    return run(story())


@pytest.mark.parametrize(
    "token",
    ["", "x", "ops_x", "ops_e30", service_account.token(muk="x")],
    ids=["nothing", "no token", "no JSON", "an empty object", "a wrong key"],
)
def test_a_token_that_it_cannot_read_is_refused(token: str) -> None:
    assert isinstance(asked(token), AuthenticationFailed)


@pytest.fixture
def closed() -> str:
    """Return an address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def rude() -> Iterator[str]:
    """Yield the address of a server that closes every connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                try:
                    server.accept()[0].close()
                except TimeoutError:
                    continue

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        stop.set()
        thread.join()


def test_an_account_that_is_not_reached_is_not_one_that_refuses(
    closed: str, rude: str
) -> None:
    tokens = [
        service_account.token(closed),
        service_account.token(rude),
        service_account.token(f"http://{rude}"),
        service_account.token("made-up.invalid"),
    ]

    found = [asked(token) for token in tokens]
    assert [(type(each), getattr(each, "detail", "")) for each in found] == [
        (Unreachable, "not-reached")
    ] * len(tokens)


def test_it_prints_nothing_of_a_token_whatever_is_asked_for(closed: str) -> None:
    script = (
        "import asyncio, logging, sys\n"
        "logging.basicConfig(level=logging.DEBUG)\n"
        "from vaultferry.providers import _onepassword_sdk as sdk\n"
        "async def main():\n"
        "    try:\n"
        "        await sdk.Sdk(sys.argv[1], sdk.load).vaults()\n"
        "    except Exception as error:\n"
        "        print(type(error).__name__)\n"
        "asyncio.run(main(), debug=True)\n"
    )
    token = service_account.token(closed, email="canary@example.com")
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", script, token],
        env={"RUST_LOG": "trace", "RUST_BACKTRACE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )

    said = done.stdout + done.stderr
    assert "Unreachable" in done.stdout
    assert [
        word for word in (token, token[:40], "canary", closed) if word in said
    ] == []
