"""A stand-in for 1Password's SDK: its classes as far as we call them, and its types.

What is behind the SDK is undocumented and encrypted from end to end, so nothing fakes
that; `tests/providers/test_onepassword_sdk.py` holds these classes against the real
ones.
"""

import base64
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from onepassword import types
from onepassword.errors import RateLimitExceededException

from tests.vaults.onepassword_items import Item, ItemField, ItemFile, Place, code

_THEN = "2026-01-01T00:00:00Z"
_TYPES = {"OTP": "Totp", "SSHKEY": "SshKey", "STRING": "Text"}

FORBIDDEN = "you don't have the right permissions to access this resource"
REFUSED = "bad service account token, please rotate it: "
NOT_REACHED = (
    "authentication error: request library compatibility issue, check that the your "
    "environment uses compatible versions: reqwest library: error sending request for "
    "url (<redacted URL>)"
)


def token(address: str = "my.1password.com", **more: object) -> str:
    """Return a token for an account that does not exist, with all that one has."""
    key = base64.urlsafe_b64encode(bytes(32)).decode().rstrip("=")
    salt = base64.urlsafe_b64encode(bytes(16)).decode().rstrip("=")
    auth = {"method": "SRPg-4096", "alg": "PBES2g-HS256", "iterations": 650000}
    muk = {"alg": "A256GCM", "ext": True, "k": key, "kty": "oct", "kid": "mp"}
    says = {
        "signInAddress": address,
        "userAuth": auth | {"salt": salt},
        "email": "made.up@1passwordserviceaccounts.com",
        "srpX": "ab" * 32,
        "muk": muk | {"key_ops": ["encrypt", "decrypt"]},
        "secretKey": "A3-ABCDEF-GHJKLM-NPQRS-TVWXY-Z2345-6789A",
        "throttleSecret": {"seed": "ab" * 32, "uuid": "ABCDEFGHIJKLMNOPQRSTUVWXYZ"},
        "deviceUuid": "abcdefghijklmnopqrstuvwxyz",
    }
    text = json.dumps(says | more).encode()
    return f"ops_{base64.urlsafe_b64encode(text).decode().rstrip('=')}"


def limited() -> Exception:
    """Return how the SDK says that it was asked too often."""
    error: Exception = RateLimitExceededException("rate limit exceeded: canary-text")
    return error


@dataclass
class Account:
    """An account, and what its service account may read."""

    vaults: list[Place]
    token: str = field(default_factory=token)
    error: Exception | None = None
    """What every call raises."""

    spoilt: set[str] = field(default_factory=set)
    """Items that the SDK cannot read."""

    during: Callable[[], None] = lambda: None
    calls: list[str] = field(default_factory=list)

    def load(self) -> Any:
        """Return the class of clients."""

        class Bound(Client):
            account = self

        return Bound

    def called(self, name: str) -> None:
        """Take a call."""
        self.calls.append(name)
        self.during()
        if self.error:
            raise self.error

    def vault(self, vault_id: str) -> Place:
        """Return a vault by its id."""
        found = [each for each in self.vaults if each.id == vault_id]
        if not found:
            raise Exception("vault couldn't be found")  # noqa: TRY002 - as the SDK does
        return found[0]


class Client:
    """As `onepassword.Client`."""

    account: Account

    @classmethod
    async def authenticate(
        cls, auth: str, integration_name: str, integration_version: str
    ) -> "Client":
        assert integration_name
        assert integration_version
        cls.account.called("authenticate")
        if auth != cls.account.token:
            raise Exception(REFUSED + "canary-text")  # noqa: TRY002 - as the SDK does
        client = cls()
        client.vaults = Vaults(cls.account)
        client.items = Items(cls.account)
        return client

    vaults: "Vaults"
    items: "Items"


def one_of(accounts: Mapping[str, Account]) -> Any:
    """Return the class of clients of several accounts, by their tokens."""

    class Bound(Client):
        @classmethod
        async def authenticate(
            cls, auth: str, integration_name: str, integration_version: str
        ) -> Client:
            client: Client = await (
                accounts[auth]
                .load()
                .authenticate(auth, integration_name, integration_version)
            )
            return client

    return Bound


class Vaults:
    """As `onepassword.Vaults`."""

    def __init__(self, account: Account) -> None:
        self._account = account

    async def list(self, params: Any = None) -> list[Any]:
        assert params is None
        self._account.called("vaults")
        return [
            types.VaultOverview(
                id=each.id,
                title=each.name,
                description="",
                vault_type="userCreated",
                active_item_count=len(each.items),
                content_version=each.content_version,
                attribute_version=1,
                created_at=_THEN,
                updated_at=_THEN,
            )
            for each in self._account.vaults
        ]


class Items:
    """As `onepassword.Items`."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.files = Files(account)

    async def list(self, vault_id: str, *filters: Any) -> list[Any]:
        assert not filters
        self._account.called("titles")
        return [
            types.ItemOverview(
                id=each.id,
                title=each.title,
                category="ApiCredentials",
                vault_id=vault_id,
                websites=[],
                tags=[],
                created_at=_THEN,
                updated_at=_THEN,
                state="archived" if each.state else "active",
            )
            for each in self._account.vault(vault_id).items
        ]

    async def get_all(self, vault_id: str, item_ids: Sequence[str]) -> Any:
        self._account.called(f"items {len(item_ids)}")
        if self._account.spoilt & set(item_ids):
            types.ItemsGetAllResponse.model_validate({"canary": "canary-text"})
        there = {each.id: each for each in self._account.vault(vault_id).items}
        error = types.ItemsGetAllErrorItemNotFound()
        said = [
            {"content": _item(there[each], vault_id)}
            if each in there
            else {"error": error}
            for each in item_ids
        ]
        return types.ItemsGetAllResponse(
            individual_responses=[types.Response(**each) for each in said]
        )


class Files:
    """As `onepassword.items_files.ItemsFiles`."""

    def __init__(self, account: Account) -> None:
        self._account = account

    async def read(self, vault_id: str, item_id: str, attr: Any) -> bytes:
        self._account.called("file")
        [item] = [e for e in self._account.vault(vault_id).items if e.id == item_id]
        [file] = [each for each in item.files if each.uuid == attr.id]
        return file.content


def _item(item: Item, vault_id: str) -> Any:
    notes = [each.value for each in item.fields if each.label == "notesPlain"]
    files = [_file(each) for each in item.files]
    document = files.pop().attributes if item.category == "DOCUMENT" else None
    return types.Item(
        id=item.id,
        title=item.title,
        category="ApiCredentials",
        vault_id=vault_id,
        fields=[_field(each) for each in item.fields if each.label != "notesPlain"],
        sections=[
            types.ItemSection(id=key, title=text) for key, text in item.sections.items()
        ],
        notes="".join(notes),
        tags=[],
        websites=[],
        version=item.version,
        files=files,
        document=document,
        created_at=_THEN,
        updated_at=_THEN,
    )


def _field(each: ItemField) -> Any:
    is_code = each.type == "OTP"
    code_now = code(each.value, time.time()) if is_code else ""
    otp = types.ItemFieldDetailsOtp(content=types.OtpFieldDetails(code=code_now))
    return types.ItemField(
        id=each.id or each.label,
        title=each.label,
        section_id=each.section or None,
        field_type=_TYPES.get(each.type, "Concealed"),
        value=each.value,
        details=otp if is_code else None,
    )


def _file(each: ItemFile) -> Any:
    about = types.FileAttributes(name=each.name, id=each.uuid, size=len(each.content))
    return types.ItemFile(attributes=about, section_id=each.section, field_id=each.uuid)
