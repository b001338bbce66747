"""The API server that a context of a kubeconfig names, and who its user is there."""

import base64
import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from vaultferry.apiserver import tls
from vaultferry.apiserver.credentials import Credentials, Fixed, TokenFile, bearer
from vaultferry.apiserver.entries import Entry, Kubeconfig
from vaultferry.apiserver.plugin import Command, Plugin
from vaultferry.apiserver.server import ApiServer

_PLUGIN = "client.authentication.k8s.io"
_PLUGIN_VERSIONS = (f"{_PLUGIN}/v1", f"{_PLUGIN}/v1beta1")

_REFUSED = {
    "auth-provider": "was taken out of kubectl 1.26: use exec",
    # Who is to act as somebody else must not act as himself.
    "as": "is not known here",
    "as-uid": "is not known here",
    "as-groups": "is not known here",
    "as-user-extra": "is not known here",
}


def api_server(config: Kubeconfig, context: str | None = None) -> ApiServer:
    """Return what a context tells; None: the current one.

    Raises:
        Unusable: there is none such, or it says what cannot be used.
    """
    chosen = config.context(context)
    cluster, user = config.of(chosen, "cluster"), config.of(chosen, "user")
    if cluster is None:
        raise chosen.wrong("cluster")
    if user is None:
        user = Entry(chosen.where, {}, chosen.folder)
    url = _url(cluster, "server")
    if url is None:
        raise cluster.wrong("server")
    secured = _tls(cluster, user) if url.startswith("https:") else None
    return ApiServer(
        url.rstrip("/"),
        _credentials(user, cluster, secured),
        secured,
        tls_name=cluster.text("tls-server-name"),
        proxy=_url(cluster, "proxy-url"),
    )


def namespace(config: Kubeconfig, context: str | None = None) -> str | None:
    """Return the namespace of a context, if it has one; None: the current one."""
    return config.context(context).text("namespace")


def _url(cluster: Entry, key: str) -> str | None:
    text = cluster.text(key)
    if text is None:
        return None
    try:
        parts = urlsplit(text)
    except ValueError:
        raise cluster.wrong(key) from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise cluster.wrong(key, "is no URL of http or https")
    return text


def _tls(cluster: Entry, user: Entry) -> ssl.SSLContext:
    context = _trusting(cluster)
    certificate = user.material("client-certificate")
    key = user.material("client-key")
    if certificate is None and key is None:
        return context
    if certificate is None or key is None:
        raise user.wrong("client-certificate", "and client-key belong together")
    try:
        tls.show(context, certificate, key)
    except (OSError, ValueError):
        why = "and client-key are no certificate with its key"
        raise user.wrong("client-certificate", why) from None
    return context


def _trusting(cluster: Entry) -> ssl.SSLContext:
    authority = cluster.material("certificate-authority")
    if cluster.flag("insecure-skip-tls-verify"):
        if authority is not None:
            why = "and an authority exclude each other"
            raise cluster.wrong("insecure-skip-tls-verify", why)
        return tls.trusting_anybody()
    try:
        return tls.trusting(authority)
    except (OSError, ValueError):
        raise cluster.wrong("certificate-authority", "is no certificate") from None


def _credentials(
    user: Entry, cluster: Entry, context: ssl.SSLContext | None
) -> Credentials:
    for key, why in _REFUSED.items():
        if user.content.get(key):
            raise user.wrong(key, why)
    if file := user.path("tokenFile"):
        return TokenFile(file, f"{user.where}: tokenFile")
    program = user.within("exec")
    header = _header(user)
    if header is None and program is not None:
        return Plugin(_command(program, cluster), context)
    return Fixed(header)


def _header(user: Entry) -> str | None:
    if token := user.text("token"):
        return bearer(token, f"{user.where}: token")
    if name := user.text("username"):
        pair = f"{name}:{user.text('password') or ''}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"
    return None


def _command(program: Entry, cluster: Entry) -> Command:
    version = program.text("apiVersion")
    if version not in _PLUGIN_VERSIONS:
        raise program.wrong("apiVersion", "is neither v1 nor v1beta1")
    if program.text("interactiveMode") == "Always":
        raise program.wrong("interactiveMode", "wants a terminal, and gets none here")
    is_told = program.flag("provideClusterInfo")
    return Command(
        program.where,
        version,
        (_program(program), *program.texts("args")),
        dict(_variable(each) for each in program.each("env")),
        _info(cluster) if is_told else None,
    )


def _program(program: Entry) -> str:
    name = program.text("command")
    if name is None:
        raise program.wrong("command")
    # Without a slash it is looked for on the PATH.
    return str(program.folder / name) if os.sep in name else name


def _variable(entry: Entry) -> tuple[str, str]:
    name = entry.text("name")
    if name is None:
        raise entry.wrong("name")
    return name, entry.text("value") or ""


def _info(cluster: Entry) -> Mapping[str, Any]:
    """Return what a program is told of the cluster."""
    told = {
        key: cluster.content[key]
        for key in (
            "server",
            "tls-server-name",
            "insecure-skip-tls-verify",
            "proxy-url",
            "disable-compression",
        )
        if cluster.content.get(key)
    }
    if authority := cluster.material("certificate-authority"):
        told["certificate-authority-data"] = _encoded(cluster, authority)
    for extension in cluster.each("extensions"):
        if extension.text("name") == f"{_PLUGIN}/exec":
            told["config"] = extension.content.get("extension")
    return told


def _encoded(cluster: Entry, authority: tls.Material) -> str:
    try:
        content = authority.read_bytes() if isinstance(authority, Path) else authority
    except OSError:
        raise cluster.wrong("certificate-authority", "cannot be read") from None
    return base64.b64encode(content).decode()
