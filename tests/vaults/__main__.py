"""Run a fake vault as a process: `python -m tests.vaults doppler --state FILE`."""

import argparse
import asyncio
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.vaults.admin import Admin
from tests.vaults.doppler import Doppler
from tests.vaults.infisical import Infisical
from tests.vaults.onepassword_connect import Connect
from tests.vaults.server import HOST, Server
from tests.vaults.ssm import ParameterStore
from tests.vaults.vault import Vault

VAULTS: dict[str, Callable[[], Vault[Any]]] = {
    "doppler": Doppler,
    "infisical": Infisical,
    "onepassword-connect": Connect,
    "ssm": ParameterStore,
}


def main() -> None:
    """Serve until SIGTERM or Ctrl-C; say first, in a line of JSON, where."""
    asyncio.run(_serve(_arguments()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.vaults", description=__doc__)
    parser.add_argument("vault", choices=VAULTS)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--admin-port", type=int, default=0)
    parser.add_argument("--https", action="store_true")
    parser.add_argument("--latency", type=float, default=0, metavar="SECONDS")
    parser.add_argument("--state", type=Path, metavar="FILE", help="JSON")
    return parser.parse_args()


async def _serve(given: argparse.Namespace) -> None:
    vault = VAULTS[given.vault]()
    if given.state:
        vault.load(given.state.read_bytes())
    server = Server(vault, port=given.port, https=given.https, latency=given.latency)
    ended = asyncio.Event()
    for ending in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(ending, ended.set)
    async with server:
        admin = Admin(server, given.admin_port)
        await admin.start()
        where = {"url": server.url, "admin": f"http://{HOST}:{admin.port}/_fake"}
        print(json.dumps({**where, "certificate": server.certificate}), flush=True)
        await ended.wait()


if __name__ == "__main__":
    main()
