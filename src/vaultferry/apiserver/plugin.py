"""Programs that say who we are: the `exec` of a kubeconfig.

What they say is kept until shortly before it expires, and shown nowhere.
"""

import asyncio
import json
import os
import ssl
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from math import inf
from signal import SIGKILL
from typing import Any

from vaultferry.apiserver import tls
from vaultferry.apiserver.credentials import Unusable, bearer

# Nobody else's business.
_ROOT_KEY = "ENCRYPTION_KEY"

_LONGEST_SECONDS = 60.0
_EARLIEST_SECONDS = 60.0


@dataclass(frozen=True, repr=False)
class Command:
    """What is to be run."""

    where: str
    """What an error is to name."""

    version: str
    """The apiVersion that is spoken."""

    words: Sequence[str]
    environ: Mapping[str, str]
    cluster: Mapping[str, Any] | None
    """What the program is told of the cluster."""

    async def output(self) -> bytes:
        """Run it, off the event loop, and return what it wrote.

        Raises:
            Unusable: it is not there, failed, or took too long.
        """
        try:
            # It is not spoken to, and what it says to its user may hold anything.
            process = await asyncio.create_subprocess_exec(
                *self.words,
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=DEVNULL,
                start_new_session=True,
                env=self._environ(),
            )
        except (OSError, ValueError):
            raise Unusable(f"{self.where}: the program cannot be run") from None
        return await self._end(process)

    async def _end(self, process: Process) -> bytes:
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                output, _ = await process.communicate()
        except TimeoutError:
            raise Unusable(f"{self.where}: the program took too long") from None
        finally:
            if process.returncode is None:
                # With all that it has started: who holds the pipe is waited for.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, SIGKILL)
                await process.wait()
        if process.returncode:
            raise Unusable(f"{self.where}: the program failed")
        return output

    def _environ(self) -> Mapping[str, str]:
        ours = {name: text for name, text in os.environ.items() if name != _ROOT_KEY}
        return {**ours, **self.environ, "KUBERNETES_EXEC_INFO": self._told()}

    def _told(self) -> str:
        spec: dict[str, Any] = {"interactive": False}
        if self.cluster is not None:
            spec["cluster"] = self.cluster
        kind = "ExecCredential"
        return json.dumps({"apiVersion": self.version, "kind": kind, "spec": spec})


class Plugin:
    """Who we are by what a program says."""

    def __init__(
        self,
        command: Command,
        context: ssl.SSLContext | None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Prepare; the program runs at the first request.

        Args:
            command: the program.
            context: is to show the certificate that the program may name.
            now: tells the time, in seconds since 1970.
        """
        self._command = command
        self._context = context
        self._now = now
        self._header: str | None = None
        self._due = self._expires = -inf
        self._running = asyncio.Lock()

    async def authorization(self) -> str | None:
        """Return the header that the program wants; run it where it is time to."""
        if self._is_due():
            async with self._running:
                if self._is_due():
                    await self._renew()
        return self._header

    def refused(self, authorization: str | None) -> None:
        """Run the program again the next time."""
        if authorization == self._header:
            self._due = -inf

    def _is_due(self) -> bool:
        return self._now() >= self._due

    async def _renew(self) -> None:
        try:
            self._take(await self._command.output())
        except Unusable:
            if self._is_over():
                raise

    def _is_over(self) -> bool:
        """Tell whether what was said last holds no more."""
        return self._now() >= self._expires

    def _take(self, output: bytes) -> None:
        try:
            status = _status(output, self._command.version)
            expires = _expires(status)
            token = status.get("token")
            is_shown = self._show(status)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            raise self._meaningless() from None
        if not token and not is_shown:
            raise self._meaningless()
        where = f"{self._command.where}: what the program says"
        self._header = bearer(str(token), where) if token else None
        self._expires = expires
        left = max(0.0, expires - self._now())
        self._due = expires - min(_EARLIEST_SECONDS, left / 10)

    def _show(self, status: Mapping[str, Any]) -> bool:
        certificate = status.get("clientCertificateData")
        if not certificate:
            return False
        if self._context is not None:
            key = status["clientKeyData"].encode()
            tls.show(self._context, certificate.encode(), key)
        return True

    def _meaningless(self) -> Unusable:
        return Unusable(f"{self._command.where}: the program says nothing of use")


def _status(output: bytes, version: str) -> Mapping[str, Any]:
    said = json.loads(output)
    if (said["kind"], said["apiVersion"]) != ("ExecCredential", version):
        raise ValueError
    status = said["status"]
    if not isinstance(status, dict):
        raise TypeError
    return status


def _expires(status: Mapping[str, Any]) -> float:
    """Return when it expires, in seconds since 1970; never, where nothing is said."""
    text = status.get("expirationTimestamp")
    if not text:
        return inf
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError
    return moment.timestamp()
