"""What the commands have in common that act on a cluster, with their user's rights."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TypeVar

import click

from vaultferry.cli import reach
from vaultferry.cli.refusal import Refused
from vaultferry.cluster import Cluster
from vaultferry.core.answers import Absent, Denied, Expired, Stale
from vaultferry.core.errors import ApiForbidden, ApiRejected, Failure
from vaultferry.core.model import is_name

MANAGER = "vaultferry"
"""The field manager of what the command writes."""

_KIND = "vaultsecrets.vaultferry.dev"

T = TypeVar("T")


class There(Refused):
    """What is to be created is there, or what is to be changed is not."""

    exit_code = 3


class Unanswered(Refused):
    """The API server did not answer, or said no."""

    exit_code = 4


OPTIONS: tuple[click.Parameter, ...] = (
    click.Option(
        ["--namespace", "-n"], help="Of the VaultSecret; default: the context's."
    ),
    click.Option(["--kubeconfig"], help="The kubeconfig; default: kubectl's."),
    click.Option(["--context"], help="A context of the kubeconfig."),
)
NAME = click.Argument(["name"])


@dataclass(frozen=True)
class Where:
    """Which cluster is meant, and which namespace there."""

    namespace: str
    kubeconfig: str | None
    context: str | None

    @classmethod
    def of(
        cls, namespace: str | None, kubeconfig: str | None, context: str | None
    ) -> "Where":
        """Read the options; a namespace that is not named is that of the context."""
        named = namespace or reach.namespace(kubeconfig, context)
        if not is_name(named) or "." in named:
            raise Refused("--namespace: no legal name of a namespace")
        return cls(named, kubeconfig, context)

    def ask(self, question: Callable[[Cluster], Awaitable[T]]) -> T:
        """Connect, and have something asked or done."""

        async def asked() -> T:
            connection = import_module("vaultferry.cli.connection")
            async with connection.connected(self.kubeconfig, self.context) as cluster:
                return await question(cluster)

        return asyncio.run(asked())


def checked_name(name: str) -> str:
    """Return the name of a VaultSecret, which may have been typed wrong."""
    if not is_name(name):
        raise Refused("no legal name of a VaultSecret")
    return name


@contextmanager
def understood(verb: str, where: Where, *, absent: str, stale: str) -> Iterator[None]:
    """Say in words for a user what the API server answered; never in its own.

    Args:
        verb: what was tried.
        where: in which namespace.
        absent: what it means that something is not there.
        stale: what it means that something is there, or not as it was.
    """
    try:
        yield
    except Absent:
        raise There(absent) from None
    except Stale:
        raise There(stale) from None
    except Denied as denied:
        raise Unanswered(str(denied)) from None
    except (Failure, Expired) as failure:
        raise Unanswered(_words(verb, where, failure)) from None


def _words(verb: str, where: Where, failure: Exception) -> str:
    match failure:
        case ApiForbidden():
            return f"you may not {verb} {_KIND} in namespace {where.namespace}"
        case ApiRejected():
            return (
                "the API server refused it: its admission rules are others than those "
                "of this version"
            )
        case Expired():
            return "there is more than could be read in time: try again"
        case _:
            return str(failure)
