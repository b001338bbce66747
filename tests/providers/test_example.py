"""The vault of docs/adding-a-vault.md works, as it is written there."""

import ast
import re
import sys
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.running import run
from tests.vaults.message import Answer, Asked, told
from tests.vaults.routes import Routes
from tests.vaults.server import Server
from tests.vaults.vault import Kept, Vault
from vaultferry import crds, plugins, providers
from vaultferry.core.addresses import Exceptions
from vaultferry.core.document import Document
from vaultferry.core.errors import AuthenticationFailed, PlaceMissing, Unreachable
from vaultferry.outbound import Outbound

PAGE = Path(__file__).parents[2] / "docs" / "adding-a-vault.md"
TOKEN = "made-up-token"


class Shelves(Kept):
    shelves: dict[str, Any] = {"tools": {"a": "1", "b": "žluť"}}


class Fake(Vault[Shelves]):
    kind = Shelves

    def __init__(self) -> None:
        super().__init__()
        self._routes = Routes(
            {"GET /shelves/{shelf}": self._shelf, "GET /me": lambda _: told({})}
        )

    async def answer(self, asked: Asked) -> Answer:
        if asked.bearer != TOKEN:
            return Answer(401)
        return self._routes.answer(asked) or Answer(404)

    def _shelf(self, asked: Asked) -> Answer:
        found = self.state.shelves.get(asked.parts["shelf"])
        tag = f'"{hash(str(found))}"'
        if asked.headers.get("if-none-match") == tag:
            return Answer(304)
        return told(found, etag=tag) if found else Answer(404)


def written() -> str:
    """Return the module that the page shows."""
    [code] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return str(code)


@pytest.fixture
def _shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put the module into the folder of the vaults, as far as Python can tell."""
    (tmp_path / "shelf.py").write_text(written())
    monkeypatch.setattr(providers, "__path__", [*providers.__path__, str(tmp_path)])
    plugins.names.cache_clear()
    yield
    plugins.names.cache_clear()
    sys.modules.pop("vaultferry.providers.shelf", None)
    vars(providers).pop("shelf", None)


async def fetched(
    server: Server,
    known: Document | None = None,
    *,
    shelf: str = "tools",
    token: str = TOKEN,
) -> Document:
    """Return what the vault of the page answers to somebody who uses it."""
    section = {
        "address": server.url,
        "shelf": shelf,
        "tokenSecretRef": {"name": "token"},
    }
    module, settings = providers.of({"shelf": section})
    outbound = Outbound(Exceptions.parse(["http://127.0.0.0/8:*"]))
    try:
        session = module.session(settings, {"token": token.encode()}, outbound)
        await session.check()
        return await session.fetch(module.PROVIDER.whole(settings, ""), known)
    finally:
        await outbound.close()


@pytest.mark.usefixtures("_shelf")
def test_the_vault_of_the_page_fetches_what_a_shelf_holds() -> None:
    async def story() -> tuple[Document, bool]:
        async with Server(Fake()) as server:
            first = await fetched(server)
            return first, await fetched(server, first) is first

    document, same = run(story())

    assert document.values == {"a": b"1", "b": "žluť".encode()}
    assert same


@pytest.mark.usefixtures("_shelf")
@pytest.mark.parametrize(
    ("asked", "failure"),
    [
        (partial(fetched, token="another"), AuthenticationFailed),
        (partial(fetched, shelf="nowhere"), PlaceMissing),
        (partial(fetched, shelf="odd"), Unreachable),
    ],
    ids=["token", "shelf", "answer"],
)
def test_the_vault_of_the_page_fails_as_others_do(
    asked: Callable[[Server], Awaitable[Document]], failure: type[Exception]
) -> None:
    async def story() -> None:
        async with Server(Fake()) as server:
            server.vault.state.shelves["odd"] = {"a": 1}
            await asked(server)

    with pytest.raises(failure):
        run(story())


@pytest.mark.usefixtures("_shelf")
def test_the_vault_of_the_page_has_a_section_in_the_kind() -> None:
    [version] = crds.vaultconnections()["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]

    assert spec["shelf"]["required"] == ["address", "shelf", "tokenSecretRef"]


def test_the_vault_of_the_page_has_forty_lines_besides_imports() -> None:
    lines = dict(enumerate(written().splitlines(), 1))
    for statement in ast.parse(written()).body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for number in range(statement.lineno, (statement.end_lineno or 0) + 1):
                del lines[number]

    assert len([line for line in lines.values() if line.strip()]) <= 40
