"""One review: read the live VaultSecret, have the answer made, tell what happened."""

import json
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog

from vaultferry import secrettypes
from vaultferry.cluster import Cluster
from vaultferry.core import admission, resealing
from vaultferry.core.admission import Body, Malformed, Request, Sealing
from vaultferry.core.answers import Absent
from vaultferry.core.errors import Failure
from vaultferry.core.keyring import Keyring
from vaultferry.core.ratelimit import RateLimit

log = structlog.get_logger()

_API = "admission.k8s.io/v1"

BURST = 20
SECONDS_EACH = 10.0
_KEYS = 10_000


class TooMany(Exception):
    """This VaultSecret is asked for so often that somebody may be guessing."""


class Reviewer:
    """Answers reviews; safe to call any number of times, as nothing is written."""

    def __init__(
        self,
        keyring: Keyring,
        cluster: Cluster,
        clock: Callable[[], float],
        count: Callable[[str], None],
    ) -> None:
        """Prepare.

        Args:
            keyring: the root keys.
            cluster: where the live VaultSecret is read.
            clock: seconds that only grow.
            count: is told of each answer, in one word.
        """
        self._keyring = keyring
        self._cluster = cluster
        self._clock = clock
        self._count = count
        self._limit = RateLimit(BURST, SECONDS_EACH, _KEYS)

    async def answer(self, text: bytes) -> Body:
        """Return the AdmissionReview that answers one.

        Raises:
            Malformed: the text is none that the API server sends.
        """
        request = Request.parse(_parsed(text))
        response = await self._response(request)
        return {"apiVersion": _API, "kind": "AdmissionReview", "response": response}

    async def _response(self, request: Request) -> Body:
        try:
            sealing = await self._sealing(request)
        except TooMany:
            words = "is asked for too often: wait for ten seconds"
            return self._refused(request, HTTPStatus.TOO_MANY_REQUESTS, words)
        except Failure as failure:
            status = HTTPStatus.UNPROCESSABLE_ENTITY
            if failure.retry:
                status = HTTPStatus.SERVICE_UNAVAILABLE
            return self._refused(request, status, str(failure))
        return self._allowed(request, sealing)

    async def _sealing(self, request: Request) -> Sealing:
        if resealing.is_asked(request):
            return resealing.reseal(request, self._keyring)
        live = await self._live(request) if request.compares else None
        return admission.seal(request, self._keyring, live, check)

    async def _live(self, request: Request) -> Body | None:
        """Return the VaultSecret that the request changes, as the API server has it."""
        key = (request.namespace, request.name)
        if not self._limit.take(key, self._clock()):
            raise TooMany
        try:
            return await self._cluster.get_vaultsecret(*key)
        except Absent:
            return None

    def _allowed(self, request: Request, sealing: Sealing) -> Body:
        answer = admission.allowed(request)
        if not sealing.operations:
            self._count("unchanged")
            return answer
        self._count("sealed" if sealing.sealed else "kept")
        self._told("sealed", request, sealed=sealing.sealed, kept=sealing.kept)
        patch = b64encode(json.dumps(sealing.operations).encode()).decode()
        warnings = {"warnings": list(sealing.remarks)} if sealing.remarks else {}
        return {**answer, **warnings, "patchType": "JSONPatch", "patch": patch}

    def _refused(self, request: Request, status: HTTPStatus, words: str) -> Body:
        self._count("limited" if status == HTTPStatus.TOO_MANY_REQUESTS else "refused")
        self._told("refused", request, why=words)
        message = f"VaultSecret {request.name}: {words}"
        return admission.refused(request, status, message)

    def _told(self, event: str, request: Request, **more: object) -> None:
        place = {"namespace": request.namespace, "name": request.name}
        log.info(event, **place, operation=request.operation, **more)


def check(spec: Body, values: Mapping[str, bytes]) -> Sequence[str]:
    """Check values as `vaultferry seal` does, and return what looks unusual in them.

    Of types that are not known the schema tells.

    Raises:
        NeedsPerson: they cannot be right.
    """
    kind, method = spec.get("type"), spec.get("authMethod")
    if not isinstance(kind, str) or kind not in secrettypes.names():
        return ()
    known = secrettypes.load(kind)
    chosen = method if isinstance(method, str) else None
    known.check(chosen, values)
    return known.remarks(chosen, values)


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Malformed from None
