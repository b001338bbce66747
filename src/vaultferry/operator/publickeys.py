"""Writes our public keys where everybody in the cluster can read them.

The leader looks when it begins to lead and now and then after that, and writes only
where the keys differ: a rotation is one write, a restart none.
"""

import asyncio
import random
from dataclasses import dataclass

import structlog

from vaultferry.cluster import Cluster
from vaultferry.core import publickeys
from vaultferry.core.answers import Absent, Expired, Stale
from vaultferry.core.errors import Failure
from vaultferry.core.keyring import Keyring

log = structlog.get_logger()

SHORTEST_SECONDS = 600.0
LONGEST_SECONDS = 1800.0
RETRY_SECONDS = 60.0


@dataclass
class PublicKeys:
    """Keeps the ConfigMap with our public keys right."""

    cluster: Cluster
    namespace: str
    keyring: Keyring
    _said: str = ""

    async def run(self) -> None:
        """Look at once, and every 10 to 30 minutes, for ever."""
        while True:
            wait = await self._tried()
            await asyncio.sleep(wait)

    async def _tried(self) -> float:
        """Look once; return the seconds to the next time."""
        try:
            await self.publish()
        except (Absent, Expired, Failure, Stale) as error:
            self._say(type(error).__name__)
            return RETRY_SECONDS
        self._said = ""
        return random.uniform(SHORTEST_SECONDS, LONGEST_SECONDS)

    async def publish(self) -> None:
        """Write the public keys where they differ.

        Raises:
            Absent: there is no ConfigMap for them: deploy/ makes it, we do not.
            Failure: it could not be read or written.
            Stale: somebody wrote it meanwhile.
        """
        body = await self.cluster.get_config_map(self.namespace, publickeys.NAME)
        if operations := publickeys.patch(self.keyring, body):
            await self.cluster.patch_config_map(
                self.namespace, publickeys.NAME, operations
            )
            log.info("public keys published", key_id=self.keyring.key_id)

    def _say(self, reason: str) -> None:
        """Log what is new."""
        if reason != self._said:
            log.warning("public keys not published", reason=reason)
        self._said = reason
