"""A fake 1Password Connect: its reading half."""

import base64
import re

from tests.vaults.faults import Fault
from tests.vaults.message import Answer, Asked, encoded, told
from tests.vaults.onepassword_items import Item, ItemFile, Place
from tests.vaults.routes import Routes
from tests.vaults.vault import Kept, Vault

_FILTER = re.compile(r'(\w+) eq "((?:[^"\\]|\\.)*)"')
_ID = re.compile(r"[\da-z]{26}")
_ITEM = "/v1/vaults/{vault}/items/{item}"


class Token(Kept):
    """What an access token reaches."""

    vaults: list[str] = []
    """By id."""


class State(Kept):
    """What Connect serves."""

    vaults: list[Place] = []
    tokens: dict[str, Token] = {}
    inline_bytes: int = 100 * 1024
    """How large a file may be that is given inline."""


class Refused(Exception):
    """A request that gets an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Connect(Vault[State]):
    """Connect without its socket."""

    kind = State

    def __init__(self, state: State | None = None) -> None:
        super().__init__(state)
        self._routes = Routes(
            {
                "GET /heartbeat": _heartbeat,
                "GET /health": _health,
                "GET /v1/vaults": self._vaults,
                "GET /v1/vaults/{vault}": self._vault,
                "GET /v1/vaults/{vault}/items": self._items,
                f"GET {_ITEM}": self._item,
                f"GET {_ITEM}/files": self._files,
                f"GET {_ITEM}/files/{{file}}": self._file,
                f"GET {_ITEM}/files/{{file}}/content": self._content,
            }
        )

    async def answer(self, asked: Asked) -> Answer:
        try:
            return self._routes.answer(asked) or Answer(404, b"404 page not found\n")
        except Refused as refused:
            return told(
                {"status": refused.status, "message": str(refused)}, refused.status
            )

    def _vaults(self, asked: Asked) -> Answer:
        token = self._token(asked)
        places = [each for each in self.state.vaults if each.id in token.vaults]
        wanted = _wanted(asked, "name")
        return told(
            [
                each.document()
                for each in places
                if wanted in {None, ("name", each.name)}
            ]
        )

    def _vault(self, asked: Asked) -> Answer:
        return told(self._place(asked).document())

    def _items(self, asked: Asked) -> Answer:
        place = self._place(asked)
        wanted = _wanted(asked, "title", "tag")
        return told(
            [
                each.summary(place.id)
                for each in place.items
                if wanted is None or wanted in _found_by(each)
            ]
        )

    def _item(self, asked: Asked) -> Answer:
        place, item = self._found(asked)
        return told(item.full(place.id, self.now))

    def _files(self, asked: Asked) -> Answer:
        place, item = self._found(asked)
        return told([self._told(asked, place, item, each) for each in item.files])

    def _file(self, asked: Asked) -> Answer:
        place, item = self._found(asked)
        return told(self._told(asked, place, item, _file_of(item, asked)))

    def _content(self, asked: Asked) -> Answer:
        _, item = self._found(asked)
        headers = {"content-type": "application/octet-stream"}
        return Answer(200, _file_of(item, asked).content, headers)

    def _told(
        self, asked: Asked, place: Place, item: Item, file: ItemFile
    ) -> dict[str, object]:
        found = item.file(place.id, file)
        if asked.query.get("inline_files") != "true":
            return found
        if len(file.content) > self.state.inline_bytes:
            path = "/v1/vaults/{vaultUUID}/items/{itemUUID}/files/{fileUUID}/content"
            raise Refused(
                413,
                f"File is too large to inline in request. Use the {path} "
                "endpoint instead.",
            )
        return found | {"content": base64.b64encode(file.content).decode()}

    def _found(self, asked: Asked) -> tuple[Place, Item]:
        place = self._place(asked)
        wanted = _id(asked, "item")
        for item in place.items:
            if item.id == wanted:
                return place, item
        raise Refused(404, f"item {wanted} not found")

    def _place(self, asked: Asked) -> Place:
        token = self._token(asked)
        wanted = _id(asked, "vault")
        if wanted not in token.vaults:
            raise Refused(403, f"vault {wanted} is not in scope")
        for place in self.state.vaults:
            if place.id == wanted:
                return place
        raise Refused(404, f"vault {wanted} not found")

    def _token(self, asked: Asked) -> Token:
        token = self.state.tokens.get(asked.bearer)
        if token is None:
            raise Refused(401, "Invalid token signature")
        return token


def forbidden_at_times(times: int) -> Fault:
    """Refuse what is allowed, as a Connect under load does now and then."""
    body = encoded({"status": 403, "message": "Authorization token is not valid"})
    headers = {"content-type": "application/json"}
    return Fault(
        name="spurious 403",
        path="/v1",
        times=times,
        status=403,
        headers=headers,
        body=body.decode(),
    )


def _heartbeat(_: Asked) -> Answer:
    return Answer(200, b".", {"content-type": "text/plain"})


def _health(_: Asked) -> Answer:
    return told(
        {
            "name": "1Password Connect API",
            "version": "1.8.1",
            "dependencies": [
                {"service": "sync", "status": "ACTIVE"},
                {"service": "sqlite", "status": "ACTIVE", "message": "Connected"},
            ],
        }
    )


def _wanted(asked: Asked, *attributes: str) -> tuple[str, str] | None:
    """Return what a filter asks for: attribute and text; None where there is none."""
    text = asked.query.get("filter")
    if not text:
        return None
    found = _FILTER.fullmatch(text)
    if found is None or found[1] not in attributes:
        raise Refused(400, "Invalid filter")
    return found[1], re.sub(r"\\(.)", r"\1", found[2])


def _found_by(item: Item) -> set[tuple[str, str]]:
    return {("title", item.title), *(("tag", tag) for tag in item.tags)}


def _file_of(item: Item, asked: Asked) -> ItemFile:
    wanted = _id(asked, "file")
    for file in item.files:
        if file.uuid == wanted:
            return file
    raise Refused(404, f"file {wanted} not found")


def _id(asked: Asked, part: str) -> str:
    if not _ID.fullmatch(asked.parts[part]):
        raise Refused(400, f"Invalid {part.capitalize()} UUID")
    return asked.parts[part]
