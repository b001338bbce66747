"""Tokens of ServiceAccounts, by which a vault knows who asks.

They are for that vault and for nobody else, last ten minutes, and are asked for anew
for each login: here none is kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vaultferry.cluster import Cluster
from vaultferry.core import consent
from vaultferry.core.answers import Absent, Stale
from vaultferry.core.errors import ApiForbidden, ConnectionNotReady, Failure
from vaultferry.core.provider import Account
from vaultferry.views import Key


@dataclass(frozen=True)
class Issuer:
    """Asks for tokens of a ServiceAccount, for one connection of its namespace."""

    cluster: Cluster = field(repr=False)
    connection: Key
    account: Account

    async def __call__(self) -> bytes:
        """Return a new token, by the consent that there is now.

        Raises:
            ConnectionNotReady: there is none to be had.
        """
        try:
            return await self._issued()
        except ConnectionNotReady:
            raise
        except Absent:
            words = "does not exist"
        except ApiForbidden:
            words = (
                "gives no token, because the operator lacks the rights of "
                "deploy/identities: see docs/install.md"
            )
        except (Failure, Stale, KeyError, TypeError):
            words = "gives no token now: the API server does not issue it"
        raise ConnectionNotReady(f"ServiceAccount {self.account.name} {words}")

    async def _issued(self) -> bytes:
        where = self.connection.namespace, self.account.name
        seen = await self.cluster.get_service_account(*where)
        self._check_consent(seen["metadata"].get("annotations") or {})
        answer = await self.cluster.create_token(*where, self.account.audience)
        return bytes(answer["status"]["token"], "ascii", "replace")

    def _check_consent(self, annotations: Mapping[str, str]) -> None:
        name = self.connection.name
        if not consent.allows(annotations, "token", name):
            raise ConnectionNotReady(
                f"ServiceAccount {self.account.name} is not there for a vault: "
                f"annotate it with {consent.ALLOW}: token={name}"
            )
