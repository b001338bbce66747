"""A fake Infisical with something of everything, and how it is asked."""

from collections.abc import Mapping
from typing import Any

from tests.vaults import raw
from tests.vaults.infisical import Infisical
from tests.vaults.infisical_state import (
    Folder,
    Identity,
    Import,
    Project,
    Rule,
    Secret,
    State,
)
from tests.vaults.server import Server

PROJECT = "11111111-2222-3333-4444-555555555555"
ID, SECRET = "made-up-id", "made-up-secret"
PLACE = {"environment": "dev", "secretPath": "/"}


def secrets(**values: str) -> dict[str, Secret]:
    return {name: Secret(value=value) for name, value in values.items()}


def identity(name: str, *rules: Rule, **settings: Any) -> Identity:
    """Return an identity whose client id and secret end with its name."""
    known = {"client_id": f"{ID}-{name}", "client_secret": f"{SECRET}-{name}"}
    return Identity(**known, **settings, rules={"shop": list(rules)})


def new_state() -> State:
    root = secrets(
        EMPTY="",
        PADDED="  padded  ",
        LINES="abc\n\n\n",
        UNICODE="žluťoučký 🐎 日本",
        LOCAL="http://${PADDED}:5432/${dev.app.db.PASS}",
        FAR="${prod.app.KEY}",
        NOWHERE="[${NOPE}]",
        SELFREF="x-${SELFREF}",
    )
    root["META"] = Secret(
        value="m", comment="a comment", tags=["team-a"], metadata={"owner": "me"}
    )
    importing = Folder(
        secrets=secrets(DUP="own"),
        imports=[
            Import(environment="dev", path="/shared"),
            Import(environment="prod", path="/later"),
            Import(environment="dev", path="/gone"),
            Import(environment="dev", path="/n1"),
        ],
    )
    shared = secrets(SH1="first", DUP="other", REF="ref-${SH1}")
    dev = {
        "/": Folder(secrets=root),
        "/app/db": Folder(secrets=secrets(PASS="made-up-1")),
        "/importing": importing,
        "/shared": Folder(secrets=shared),
        "/n1": Folder(imports=[Import(environment="dev", path="/n2")]),
        "/n2": Folder(
            secrets=secrets(DEEP="n2"),
            imports=[Import(environment="dev", path="/n3")],
        ),
        "/n3": Folder(secrets=secrets(DEEP="n3", DEEPER="n3")),
        "/referring": Folder(secrets=secrets(BAD="${prod.app.KEY}")),
        "/bare": Folder(),
    }
    prod = {
        "/app": Folder(secrets=secrets(KEY="made-up-2")),
        "/later": Folder(secrets=secrets(SH1="second")),
    }
    shop = Project(id=PROJECT, environments={"dev": dev, "prod": prod})
    other = Project(id="99999999-2222-3333-4444-555555555555")
    identities = {
        "all": identity("all", Rule()),
        "dev": identity("dev", Rule(environment="dev")),
        "app": identity("app", Rule(path="/app/**")),
        "blind": identity("blind", Rule(read=False)),
        "none": identity("none"),
        "short": identity("short", Rule(), ttl=30, max_ttl=80),
    }
    return State(projects={"shop": shop, "other": other}, identities=identities)


def new_server() -> Server:
    return Server(Infisical(new_state()))


def login(server: Server, name: str = "all", secret: str | None = None) -> raw.Got:
    given = {"clientId": f"{ID}-{name}", "clientSecret": secret or f"{SECRET}-{name}"}
    return raw.ask(
        "POST", f"{server.url}/api/v1/auth/universal-auth/login", None, given
    )


def token(server: Server, name: str = "all") -> str:
    found: str = login(server, name).document["accessToken"]
    return found


def ask(
    server: Server,
    path: str,
    bearer: str,
    query: Mapping[str, str] | None = None,
    **headers: str,
) -> raw.Got:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named = {"authorization": f"Bearer {bearer}"} | named
    return raw.ask("GET", f"{server.url}/api{path}", query, None, named)


def v4(server: Server, name: str = "all", one: str = "", **query: str) -> raw.Got:
    """Read with version 4, as an identity."""
    asked = {"projectId": PROJECT} | PLACE | query
    return ask(server, f"/v4/secrets{one and '/' + one}", token(server, name), asked)


def v3(server: Server, name: str = "all", one: str = "", **query: str) -> raw.Got:
    """Read with version 3, as an identity."""
    asked = {"workspaceId": PROJECT} | PLACE | query
    return ask(
        server, f"/v3/secrets/raw{one and '/' + one}", token(server, name), asked
    )


def values(items: list[dict[str, Any]]) -> dict[str, str]:
    return {each["secretKey"]: each["secretValue"] for each in items}


def own(got: raw.Got) -> dict[str, str]:
    """Return the values of a list, without its imports."""
    return values(got.document["secrets"])


def error(got: raw.Got) -> tuple[int, str]:
    """Return status and name of one of the server's own errors."""
    assert got.document["reqId"]
    assert got.document["statusCode"] == got.status
    return got.status, got.document["error"]
