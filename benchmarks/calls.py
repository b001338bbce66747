"""Calls to the API server, counted from its audit log."""

from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import dataclass

from tests.e2e.audit import Request

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
LEASES = "leases"


@dataclass(frozen=True)
class Calls:
    """What somebody asked for in a while; calls for a Lease are counted apart."""

    writes: int
    reads: int
    leases: int
    object_reads: int
    """Reads of single objects, in the namespaces of the benchmark."""
    by_kind: Counter[str]
    """Those of the benchmark's namespaces, by verb and resource."""

    @property
    def all(self) -> int:
        """All but those for a Lease."""
        return self.writes + self.reads


def count(requests: Iterable[Request], namespaces: Container[str]) -> Calls:
    """Count requests; `namespaces` are those of the objects that are worked on."""
    every = list(requests)
    leases = [each for each in every if each.resource == LEASES]
    rest = [each for each in every if each.resource != LEASES]
    ours = [each for each in rest if each.namespace in namespaces]
    return Calls(
        writes=sum(each.verb in WRITES for each in rest),
        reads=sum(each.verb not in WRITES for each in rest),
        leases=len(leases),
        object_reads=sum(each.verb not in WRITES for each in ours),
        by_kind=Counter(f"{each.verb} {each.resource}" for each in ours),
    )
