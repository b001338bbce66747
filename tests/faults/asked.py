"""What a request asks of an API server: the only module here that knows Kubernetes."""

from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from tests.faults.record import Entry
from tests.faults.rules import Matches

_VERBS = {
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}


@dataclass(frozen=True)
class Asked:
    """Verb and object of a request; what is no resource has a path as its name."""

    verb: str
    resource: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @classmethod
    def of(cls, entry: Entry) -> "Asked":
        """Read the path and the query of a request."""
        url = urlsplit(entry.target)
        parts = _resource(url.path)
        if not parts:
            return cls(_VERBS.get(entry.method, "get"), name=url.path)
        namespace = ""
        if parts[0] == "namespaces" and len(parts) > 2:
            _, namespace, *parts = parts
        resource, name, subresource = [*parts, "", ""][:3]
        watches = parse_qs(url.query).get("watch", [""])[0] in {"true", "1"}
        verb = _VERBS.get(entry.method) or _reading(name, watches=watches)
        return cls(verb, resource, namespace, name, subresource)

    def __str__(self) -> str:
        """Show it as a person would say it."""
        what = "/".join(filter(None, (self.resource, self.subresource)))
        return f"{self.verb} {what or self.name}"


def _resource(path: str) -> list[str]:
    """Return what follows group and version in a path; nothing for other paths."""
    match [unquote(part) for part in path.strip("/").split("/")]:
        case ["api", _, *rest] | ["apis", _, _, *rest]:
            return rest
        case _:
            return []


def _reading(name: str, *, watches: bool) -> str:
    if watches:
        return "watch"
    return "get" if name else "list"


def asking(
    verb: str | None = None, resource: str | None = None, namespace: str | None = None
) -> Matches:
    """Match requests by what is given."""

    def matches(entry: Entry) -> bool:
        asked = Asked.of(entry)
        return (
            verb in {None, asked.verb}
            and resource in {None, asked.resource}
            and namespace in {None, asked.namespace}
        )

    return matches


def not_leading(entry: Entry) -> bool:
    """Match all but what is done about the Lease."""
    return Asked.of(entry).resource != "leases"
