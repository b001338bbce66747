"""Every call to the Kubernetes API.

Answers about Secrets are asked for as metadata only, except by `get_secret`: values
travel to the API server, and back only where they must be compared.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp

from vaultferry.apiserver.credentials import Unusable
from vaultferry.apiserver.server import ApiServer
from vaultferry.core import vaultconnection, vaultsecret
from vaultferry.core.answers import Body, event, page, refused, unavailable
from vaultferry.core.errors import NotLeading
from vaultferry.core.model import GROUP, VERSION
from vaultferry.core.vaultconnection import VaultConnection
from vaultferry.core.vaultsecret import VaultSecret

Observer = Callable[[str, str], None]

_JSON = "application/json"
_META = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_META_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_NAMESPACES = "/api/v1/namespaces"
_NOT_HELM = "type!=helm.sh/release.v1"
_LEASE = "vaultferry"
_LEASE_API = "/apis/coordination.k8s.io/v1/"

_CALL_TIMEOUT = aiohttp.ClientTimeout(total=15)
# The API server gives out none that expire earlier.
_TOKEN_SECONDS = 600
_PAGE = 500
_PAGE_OF_WHOLE = 100
# A line of a watch holds a whole object.
_LINE = 2**21

# Once a watch was told something newer than where it began, the server sends a bookmark
# a minute, and up to two seconds later. Before that none: where no Secret changes, it
# may know of nothing newer for minutes.
_SILENCE_SECONDS = 75.0
_FIRST_WORD_SECONDS = 150.0


class Cluster:
    """A connection to one API server.

    Every method raises `Failure` where the call fails in a way that a resource can
    report, without a word of the server's own message: that may quote a value.
    """

    def __init__(
        self,
        server: ApiServer,
        observe: Observer,
        may_write: Callable[[], bool],
        connections: int = 100,
    ) -> None:
        """Prepare; the first call connects.

        Args:
            server: which one, and who we are there.
            observe: is told of each request, by verb and HTTP status.
            may_write: whether we hold the Lease; asked right before a write is sent.
            connections: how many requests there may be at a time.
        """
        self._server = server
        self._observe = observe
        self._may_write = may_write
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def check_served(self) -> None:
        """Check that the API server serves our kinds.

        Raises:
            Absent: it does not.
        """
        await self._call("GET", f"/apis/{GROUP}/{VERSION}")

    async def get_vaultsecret(self, namespace: str, name: str) -> Body:
        """Return a VaultSecret, read from the API server now."""
        return await self._call("GET", _vaultsecret(namespace, name))

    async def create_vaultsecret(
        self, namespace: str, manager: str, manifest: Body
    ) -> None:
        """Create a VaultSecret, whose fields are all to be known.

        Raises:
            Stale: there is one of that name.
        """
        query = urlencode({"fieldManager": manager, "fieldValidation": "Strict"})
        path = f"{_vaultsecrets(namespace)}?{query}"
        await self._call("POST", path, manifest, accept=_META)

    async def patch_vaultsecret(
        self,
        namespace: str,
        name: str,
        manager: str,
        patch: Body | list[dict[str, Any]],
    ) -> None:
        """Patch a VaultSecret as a field manager, by operations or by merging."""
        query = urlencode({"fieldManager": manager})
        path = f"{_vaultsecret(namespace, name)}?{query}"
        await self._call("PATCH", path, patch, accept=_META)

    async def try_vaultsecret(
        self, namespace: str, name: str, manager: str, manifest: Body
    ) -> Body:
        """Apply a VaultSecret by server, and store nothing; return what it would be.

        Raises:
            Denied: our webhook refuses it.
        """
        query = urlencode({"fieldManager": manager, "force": "true", "dryRun": "All"})
        path = f"{_vaultsecret(namespace, name)}?{query}"
        return await self._call("PATCH", path, manifest)

    async def delete_vaultsecret(self, namespace: str, name: str) -> None:
        """Delete a VaultSecret."""
        await self._call("DELETE", _vaultsecret(namespace, name))

    async def update_status(self, resource: VaultSecret, status: Body) -> Body:
        """Replace the status of a VaultSecret; return its metadata.

        Replacing costs the API server a tenth less than patching.

        Raises:
            Stale: the resource is not the version given.
        """
        path = _vaultsecret(resource.namespace, resource.name) + "/status"
        body = _with_status(vaultsecret.KIND, resource, status)
        return await self._call("PUT", path, body, accept=_META)

    async def patch_finalizers(self, namespace: str, name: str, patch: Body) -> Body:
        """Merge-patch the metadata of a VaultSecret; return them as they are then."""
        path = _vaultsecret(namespace, name)
        return await self._call("PATCH", path, {"metadata": patch}, accept=_META)

    async def get_namespace(self, name: str) -> Body:
        """Return a namespace."""
        return await self._call("GET", f"/api/v1/namespaces/{quote(name)}")

    async def update_connection_status(
        self, resource: VaultConnection, status: Body
    ) -> None:
        """Replace the status of a VaultConnection, as `update_status` does."""
        name = quote(resource.name)
        path = f"{_vaultconnections(resource.namespace)}/{name}/status"
        body = _with_status(vaultconnection.KIND, resource, status)
        await self._call("PUT", path, body, accept=_META)

    async def get_secret(self, namespace: str, name: str) -> Body:
        """Return a Secret with its data."""
        return await self._call("GET", _secret(namespace, name))

    async def create_secret(self, namespace: str, manifest: Body) -> Body:
        """Create a Secret; return its metadata."""
        return await self._call("POST", _secrets(namespace), manifest, accept=_META)

    async def patch_secret(
        self, namespace: str, name: str, operations: list[dict[str, Any]]
    ) -> Body:
        """JSON-patch a Secret; return its metadata."""
        path = _secret(namespace, name)
        return await self._call("PATCH", path, operations, accept=_META)

    async def apply_secret(
        self, namespace: str, name: str, manager: str, manifest: Body
    ) -> Body:
        """Apply a Secret by server, without force; return its metadata.

        Raises:
            Conflict: somebody else has set one of the fields to another value.
        """
        query = urlencode({"fieldManager": manager, "force": "false"})
        path = f"{_secret(namespace, name)}?{query}"
        return await self._call("PATCH", path, manifest, accept=_META)

    async def get_service_account(self, namespace: str, name: str) -> Body:
        """Return the metadata of a ServiceAccount."""
        return await self._call("GET", _service_account(namespace, name), accept=_META)

    async def create_token(self, namespace: str, name: str, audience: str) -> Body:
        """Return a new token of a ServiceAccount, for as short as there are any."""
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": [audience], "expirationSeconds": _TOKEN_SECONDS},
        }
        path = f"{_service_account(namespace, name)}/token"
        return await self._call("POST", path, body)

    async def get_config_map(self, namespace: str, name: str) -> Body:
        """Return a ConfigMap."""
        return await self._call("GET", _config_map(namespace, name))

    async def patch_config_map(
        self, namespace: str, name: str, operations: list[dict[str, Any]]
    ) -> None:
        """JSON-patch a ConfigMap."""
        path = _config_map(namespace, name)
        await self._call("PATCH", path, operations, accept=_META)

    async def get_lease(self, namespace: str) -> Body:
        """Return our Lease."""
        return await self._call("GET", f"{_leases(namespace)}/{_LEASE}")

    async def create_lease(self, namespace: str, spec: Body) -> Body:
        """Create our Lease; return it."""
        manifest = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": _LEASE, "namespace": namespace},
            "spec": spec,
        }
        return await self._call("POST", _leases(namespace), manifest)

    async def update_lease(self, namespace: str, body: Body) -> Body:
        """Replace our Lease, unless it is not the version given; return it."""
        return await self._call("PUT", f"{_leases(namespace)}/{_LEASE}", body)

    async def create_event(self, namespace: str, manifest: Body) -> None:
        """Post an event."""
        path = f"/apis/events.k8s.io/v1/namespaces/{quote(namespace)}/events"
        await self._call("POST", path, manifest)

    def list_secrets(
        self, namespace: str | None
    ) -> AsyncIterator[tuple[list[Body], str]]:
        """Yield the metadata of Secrets by pages, each with its resourceVersion.

        Args:
            namespace: of which; None: of all.

        Raises:
            Expired: the list took too long to go on with.
        """
        return self._pages(_secrets(namespace), {"fieldSelector": _NOT_HELM})

    def list_vaultsecrets(
        self, namespace: str | None
    ) -> AsyncIterator[tuple[list[Body], str]]:
        """Yield the metadata of VaultSecrets by pages, as `list_secrets` does."""
        return self._pages(_vaultsecrets(namespace), {})

    def list_whole_vaultsecrets(
        self, namespace: str | None
    ) -> AsyncIterator[tuple[list[Body], str]]:
        """Yield VaultSecrets by small pages, as `list_secrets` does their metadata."""
        few = {"limit": str(_PAGE_OF_WHOLE)}
        return self._pages(_vaultsecrets(namespace), few, _JSON)

    def list_vaultconnections(
        self, namespace: str | None
    ) -> AsyncIterator[tuple[list[Body], str]]:
        """Yield VaultConnections by pages, whole, as `list_secrets` does metadata."""
        few = {"limit": str(_PAGE_OF_WHOLE)}
        return self._pages(_vaultconnections(namespace), few, _JSON)

    def list_namespaces(self) -> AsyncIterator[tuple[list[Body], str]]:
        """Yield the metadata of namespaces by pages, as `list_secrets` does."""
        return self._pages(_NAMESPACES, {})

    def watch_secrets(
        self, namespace: str | None, resource_version: str, seconds: int
    ) -> AsyncIterator[tuple[str, Body]]:
        """Yield (type, metadata) of changes of Secrets, bookmarks included.

        Ends when the server ends the watch, after that many seconds at the latest, and
        when it has been silent for too long.

        Args:
            namespace: of which Secrets; None: of all.
            resource_version: where to begin.
            seconds: how long at most.

        Raises:
            Expired: the resourceVersion is too old.
        """
        selection = {"fieldSelector": _NOT_HELM}
        since = resource_version, seconds
        return self._watch(_secrets(namespace), since, selection, _META)

    def watch_vaultconnections(
        self, namespace: str | None, resource_version: str, seconds: int
    ) -> AsyncIterator[tuple[str, Body]]:
        """Yield (type, object) of changes of VaultConnections, as `watch_secrets`."""
        since = resource_version, seconds
        return self._watch(_vaultconnections(namespace), since, {}, _JSON)

    def watch_namespaces(
        self, resource_version: str, seconds: int
    ) -> AsyncIterator[tuple[str, Body]]:
        """Yield (type, metadata) of changes of namespaces, as `watch_secrets`."""
        return self._watch(_NAMESPACES, (resource_version, seconds), {}, _META)

    async def _watch(
        self,
        path: str,
        since: tuple[str, int],
        selection: Mapping[str, str],
        accept: str,
    ) -> AsyncIterator[tuple[str, Body]]:
        version, seconds = since
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(seconds),
            **selection,
        }
        limits = aiohttp.ClientTimeout(
            total=None, sock_connect=10, sock_read=_FIRST_WORD_SECONDS
        )
        url = f"{path}?{urlencode(query)}"
        response = await self._send("GET", url, None, accept, limits)
        silence = _FIRST_WORD_SECONDS
        try:
            while line := await _line(response.content, silence):
                silence = _SILENCE_SECONDS
                yield event(line, is_wide=path == _NAMESPACES)
        except TimeoutError:
            # Where no Secret changes that is no fault: who watches goes on from there.
            return
        except aiohttp.ClientError:
            raise unavailable() from None
        finally:
            response.close()

    async def _pages(
        self, path: str, selection: Mapping[str, str], accept: str = _META_LIST
    ) -> AsyncIterator[tuple[list[Body], str]]:
        query = {"limit": str(_PAGE), **selection}
        while True:
            url = f"{path}?{urlencode(query)}"
            answer = await self._call("GET", url, accept=accept)
            items, version, rest = page(answer, is_wide=path == _NAMESPACES)
            yield items, version
            if not rest:
                return
            query["continue"] = rest

    async def _call(
        self, verb: str, path: str, body: object = None, accept: str = _JSON
    ) -> Body:
        response = await self._send(verb, path, body, accept, _CALL_TIMEOUT)
        try:
            answer = json.loads(await response.read())
        except (aiohttp.ClientError, TimeoutError, ValueError):
            raise unavailable() from None
        if not isinstance(answer, dict):
            raise unavailable()
        return answer

    async def _send(
        self,
        verb: str,
        path: str,
        body: object,
        accept: str,
        limits: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        """Send a request; return the answer, its body unread, or raise its failure."""
        headers = {"Accept": accept, "Content-Type": _content_type(verb, body)}
        try:
            shown = await self._server.credentials.authorization()
            if shown is not None:
                headers["Authorization"] = shown
            self._check_lease(verb, path)
            response = await self._connected().request(
                verb,
                self._server.url + path,
                headers=headers,
                data=None if body is None else json.dumps(body),
                timeout=limits,
            )
            self._observe(verb, str(response.status))
            if response.status >= HTTPStatus.BAD_REQUEST:
                self._told(response.status, shown)
                raise refused(response.status, await response.read())
        except (aiohttp.ClientError, TimeoutError, Unusable):
            self._observe(verb, "none")
            raise unavailable() from None
        return response

    def _connected(self) -> aiohttp.ClientSession:
        """Return the session, which needs a running event loop to be made."""
        if self._session is None:
            self._session = self._server.session(self._connections, read_bufsize=_LINE)
        return self._session

    def _told(self, status: int, shown: str | None) -> None:
        """Have other credentials looked for where these are refused."""
        if status == HTTPStatus.UNAUTHORIZED:
            self._server.credentials.refused(shown)

    def check_leads(self) -> None:
        """Check that we hold the Lease, right before something is written elsewhere.

        Raises:
            NotLeading: we do not.
        """
        if not self._may_write():
            raise NotLeading("the lease ran out before this was written")

    def _check_lease(self, verb: str, path: str) -> None:
        """Keep a write back where others may lead by now; the Lease itself is free.

        This narrows what a process that was paused can still send, and ends it not:
        the resourceVersion in each write guards the rest.
        """
        if verb != "GET" and not path.startswith(_LEASE_API):
            self.check_leads()


async def _line(content: aiohttp.StreamReader, seconds: float) -> bytes:
    """Return the next line; nothing at the end.

    Raises:
        TimeoutError: it did not come in time.
    """
    async with asyncio.timeout(seconds):
        return await content.readline()


def _with_status(
    kind: str, resource: VaultSecret | VaultConnection, status: Body
) -> Body:
    """Return what replaces the status of a resource, if it is still that version."""
    metadata = {
        "namespace": resource.namespace,
        "name": resource.name,
        "uid": resource.uid,
        "resourceVersion": resource.resource_version,
    }
    version = f"{GROUP}/{VERSION}"
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "status": status}


def _content_type(verb: str, body: object) -> str:
    if verb != "PATCH":
        return _JSON
    if isinstance(body, list):
        return "application/json-patch+json"
    # A manifest says what it is, a merge patch does not.
    is_manifest = isinstance(body, Mapping) and "apiVersion" in body
    return f"application/{'apply-patch+yaml' if is_manifest else 'merge-patch+json'}"


def _vaultsecret(namespace: str, name: str) -> str:
    """Return the path of a VaultSecret; a reference always has a namespace."""
    return f"{_vaultsecrets(namespace)}/{quote(name)}"


def _vaultsecrets(namespace: str | None) -> str:
    return f"/apis/{GROUP}/{VERSION}{_within(namespace)}/{vaultsecret.PLURAL}"


def _vaultconnections(namespace: str | None) -> str:
    return f"/apis/{GROUP}/{VERSION}{_within(namespace)}/{vaultconnection.PLURAL}"


def _config_map(namespace: str, name: str) -> str:
    return f"/api/v1{_within(namespace)}/configmaps/{quote(name)}"


def _service_account(namespace: str, name: str) -> str:
    return f"/api/v1{_within(namespace)}/serviceaccounts/{quote(name)}"


def _leases(namespace: str) -> str:
    return f"{_LEASE_API}namespaces/{quote(namespace)}/leases"


def _secrets(namespace: str | None) -> str:
    return f"/api/v1{_within(namespace)}/secrets"


def _within(namespace: str | None) -> str:
    return "" if namespace is None else f"/namespaces/{quote(namespace)}"


def _secret(namespace: str, name: str) -> str:
    return f"{_secrets(namespace)}/{quote(name)}"
