"""The story of one VaultConnection: get its token, open its vault, say how it does."""

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from vaultferry import providers
from vaultferry.cluster import Cluster
from vaultferry.connections import Connections
from vaultferry.core import consent, health
from vaultferry.core.answers import Absent
from vaultferry.core.errors import (
    AuthenticationFailed,
    ConnectionNotReady,
    InvalidSpec,
    VaultFailure,
)
from vaultferry.core.health import Said
from vaultferry.core.provider import Account, Ambient, Given, Kept
from vaultferry.core.secret import REFUSED_TYPES, Content, Seen
from vaultferry.core.vaultconnection import VaultConnection
from vaultferry.issuing import Issuer
from vaultferry.outbound import Outbound
from vaultferry.places import Places
from vaultferry.pushing import Signer, Signers
from vaultferry.views import Key, Secrets

TOKEN_TYPE = "vaultferry.dev/token"  # noqa: S105 - the name of a type
"""A Secret of this type consents to hold the token of a connection."""

_RETRY_SECONDS = 60.0


@dataclass(frozen=True)
class _Way:
    """A connection, and what its spec says to its provider."""

    key: Key
    resource: VaultConnection
    module: providers.Module
    settings: Any

    def version(self, *token: Hashable) -> Hashable:
        """Return what a session is opened with: a spec, and a Secret if there is."""
        return (self.resource.uid, self.resource.generation, *token)


@dataclass(frozen=True)
class Connector:
    """Opens VaultConnections, and reports how they do."""

    cluster: Cluster
    connections: Connections
    secrets: Secrets
    places: Places
    outbound: Outbound
    wake_users: Callable[[Key], None]
    """Wakes the VaultSecrets that name a connection."""

    clock: Callable[[], float]
    now: Callable[[], str]
    signers: Signers

    ambient: Collection[str] = ()
    """The namespaces whose connections may use what the operator itself is."""

    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The environment, which says what that is."""

    async def __call__(self, key: Key) -> float:
        """Look after a connection; return the seconds until it is due again.

        Raises:
            Failure: the API server did not do.
        """
        resource = self.connections.get(key)
        if resource is None or resource.deleting:
            self.connections.takes_token(key, None)
            self._sign_nothing(key)
            self._judge(key, None)
            self.places.disconnect(key)
            return inf
        try:
            way = _Way(key, resource, *self._understood(key, resource))
            await self._open(way)
            webhook = await self._sign(way)
        except ConnectionNotReady as failure:
            self.places.disconnect(key)
            self.signers.drop(key)
            self._judge(key, failure)
            await self._report(resource, failure)
            return inf
        rest = way.module.PROVIDER.check_seconds
        if not self._is_heard(key, rest):
            await self.places.check(key)
        unwell = self.places.health(key)
        if unwell or self._is_heard(key, rest):
            await self._report(resource, unwell, webhook)
        return _RETRY_SECONDS if unwell else rest

    def _understood(
        self, key: Key, resource: VaultConnection
    ) -> tuple[providers.Module, Any]:
        """Return the provider of a connection, and its settings.

        Raises:
            ConnectionNotReady: this version does not understand the spec.
        """
        try:
            resource.spec  # noqa: B018 - read for what it raises
            return self.connections.section(key)
        except InvalidSpec as error:
            words = str(error)
        raise ConnectionNotReady(words)

    async def _open(self, way: _Way) -> None:
        """Open a session, unless the one that is open has this spec and this token.

        Raises:
            ConnectionNotReady: the token cannot be had, or the spec is not right.
        """
        if refusal := self._cannot_select(way.resource):
            raise ConnectionNotReady(refusal)
        wanted = way.module.PROVIDER.token(way.settings)
        if not isinstance(wanted, Kept):
            self.connections.takes_token(way.key, None)
            self._open_without_secret(way, wanted)
            return
        where = Key(way.key.namespace, wanted.secret)
        self.connections.takes_token(way.key, where)
        seen = self.secrets.get(where)
        if seen and self._has(way.key, way.version(*seen.identity)):
            return
        seen, token = await self._token(where, wanted, way.key.name)
        try:
            self._start(way, way.version(*seen.identity), token)
        except AuthenticationFailed as failure:
            raise ConnectionNotReady(f"Secret {where.name}: {failure}") from None

    def _open_without_secret(self, way: _Way, wanted: Account | Ambient) -> None:
        """Open a session whose credential is in no Secret; no call is made for it."""
        version = way.version()
        if self._has(way.key, version):
            return
        if isinstance(wanted, Ambient):
            self._start(way, version, self._ambient(way.key, wanted))
        else:
            self._start(way, version, Issuer(self.cluster, way.key, wanted))

    def _has(self, key: Key, version: Hashable) -> bool:
        return self.places.version(key) == version

    def _start(self, way: _Way, version: Hashable, given: Given) -> None:
        session = way.module.session(way.settings, given, self.outbound)
        # What the status says of this generation is believed: a restart asks nobody.
        heard = self.clock() if health.is_known(way.resource) else -inf
        self.places.connect(way.key, version, session, heard)
        self._judge(way.key, None)
        self.wake_users(way.key)

    def _ambient(self, key: Key, wanted: Ambient) -> Mapping[str, bytes]:
        """Return what the operator itself is, where a connection may use it.

        Raises:
            ConnectionNotReady: it may not.
        """
        if key.namespace not in self.ambient:
            raise ConnectionNotReady(
                "the connection names no credential, and that of the operator itself "
                "is not for this namespace: name a Secret, or have the operator's "
                "--ambient-namespace name the namespace"
            )
        environ = self.environ
        return {n: environ[n].encode() for n in wanted.variables if environ.get(n)}

    def _cannot_select(self, resource: VaultConnection) -> str:
        """Return why its namespaces cannot be selected, if it wants that."""
        wanted = resource.spec.access.namespace_selector is not None
        return self.connections.namespaces.refusal if wanted else ""

    async def _token(
        self, where: Key, kept: Kept, name: str
    ) -> tuple[Seen, Mapping[str, bytes]]:
        try:
            body = await self.cluster.get_secret(*where)
        except Absent:
            raise ConnectionNotReady(f"Secret {where.name} does not exist") from None
        self.secrets.put(body)
        seen, content = Seen.parse(body), Content.parse(body)
        _check_consent(seen, content, name)
        found = {
            key: content.data[key]
            for key in (*kept.keys, *kept.optional)
            if content.data.get(key)
        }
        for key in kept.keys:
            if key not in found:
                raise ConnectionNotReady(f"Secret {where.name} has no key {key}")
        return seen, found

    async def _sign(self, way: _Way) -> Said | None:
        """Have the webhooks of a connection verified; return what becomes of them.

        Without what signs them the connection works all the same.
        """
        key, webhook = way.key, way.module.PROVIDER.webhook
        reference = webhook.secret(way.settings) if webhook else None
        if webhook is None or reference is None:
            self._sign_nothing(key)
            return None
        where = Key(key.namespace, reference.name)
        self.connections.is_signed_by(key, where)
        seen = self.secrets.get(where)
        version = way.version(seen.identity if seen else None)
        if said := self.signers.said(key, version):
            return said
        try:
            seen, found = await self._token(where, Kept.at(reference), key.name)
        except ConnectionNotReady as failure:
            return self.signers.lack(key, version, str(failure))
        secret = found[reference.key].strip()
        if not secret:
            words = f"Secret {where.name}: key {reference.key} holds nothing but blanks"
            return self.signers.lack(key, version, words)
        signer = Signer(webhook.verify, secret)
        return self.signers.put(key, way.version(seen.identity), signer)

    def _sign_nothing(self, key: Key) -> None:
        self.signers.drop(key)
        self.connections.is_signed_by(key, None)

    def _is_heard(self, key: Key, seconds: float) -> bool:
        """Tell whether the vault answered well so short a time ago."""
        return self.places.heard(key) > self.clock() - seconds

    def _judge(self, key: Key, failure: ConnectionNotReady | None) -> None:
        """Note why a connection cannot be used; tell its users what is news."""
        before = self.connections.unusable(key)
        self.connections.judge(key, failure)
        if (before and before.reason) != (failure and failure.reason):
            self.wake_users(key)

    async def _report(
        self,
        resource: VaultConnection,
        failure: VaultFailure | None,
        webhook: Said | None = None,
    ) -> None:
        """Write the status where it differs."""
        status = health.status(resource, failure, self.now(), webhook)
        if status != resource.status:
            await self.cluster.update_connection_status(resource, status.dumped())


def _check_consent(seen: Seen, content: Content, name: str) -> None:
    """Check that a Secret is there to hold the token of a connection of that name.

    Raises:
        ConnectionNotReady: it does not consent, or must not be read.
    """
    if content.type in REFUSED_TYPES:
        raise ConnectionNotReady(
            f"Secret {seen.name} has type {content.type}, which is never read"
        )
    if content.type == TOKEN_TYPE or consent.allows(seen.annotations, "token", name):
        return
    raise ConnectionNotReady(
        f"Secret {seen.name} is not there to be a token: give it the type {TOKEN_TYPE} "
        f"or annotate it with {consent.ALLOW}: token"
    )
