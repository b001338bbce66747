"""A fake Infisical: what was seen on a real one in 2026, and its switches."""

import base64
import hashlib
import json
import uuid
from typing import Any

from tests.vaults.infisical_query import (
    conditional,
    given_tag,
    is_v4,
    wanted_by,
    wish,
)
from tests.vaults.infisical_reading import Reading
from tests.vaults.infisical_state import Project, Refused, Rule, State, id_of
from tests.vaults.infisical_tokens import Tokens
from tests.vaults.message import Answer, Asked, encoded, told
from tests.vaults.routes import Routes
from tests.vaults.vault import Vault
from tests.vaults.webhooks import Hook, Sender, signature

_LONGEST_NAME = 100


class Infisical(Vault[State]):
    """Infisical without its socket."""

    kind = State

    def __init__(self, state: State | None = None) -> None:
        super().__init__(state)
        self._tokens = Tokens()
        self._sender = Sender(self._webhook)
        self._believed: dict[tuple[str, str], tuple[float, list[Rule] | None]] = {}
        self._outlived: dict[tuple[str, str], tuple[str, Project]] = {}
        self._routes = Routes(
            {
                "GET /api/status": self._status,
                "POST /api/v1/auth/universal-auth/login": self._universal,
                "POST /api/v1/auth/kubernetes-auth/login": self._kubernetes,
                "POST /api/v1/auth/token/renew": self._renew,
                "POST /api/v1/auth/token/revoke": self._revoke,
                "GET /api/v1/projects": self._projects,
                "GET /api/v1/projects/slug/{slug}": self._project,
                "GET /api/v4/secrets": self._list,
                "GET /api/v4/secrets/{name}": self._one,
                "GET /api/v3/secrets/raw": self._list,
                "GET /api/v3/secrets/raw/{name}": self._one,
            }
        )

    def load(self, document: bytes) -> None:
        """Replace the state, and tell of what changed."""
        before = self.state
        super().load(document)
        for hook in self.state.webhooks:
            project, environment, path = _where(hook)
            old, new = (
                found.folder(environment, path)
                if (found := state.projects.get(project))
                else None
                for state in (before, self.state)
            )
            if old != new:
                self._sender.send(hook, None, self.state.webhook_seconds)

    async def close(self) -> None:
        await self._sender.close()

    async def answer(self, asked: Asked) -> Answer:
        try:
            return self._routes.answer(asked) or _no_route(asked)
        except Refused as refused:
            return _error(refused)

    def _webhook(self, hook: Hook, _: object) -> tuple[bytes, dict[str, str]]:
        project, environment, path = _where(hook)
        sent = int(self.now * 1000)
        found = self.state.projects[project]
        body = encoded(
            {
                "event": "secrets.modified",
                "project": {
                    "workspaceId": found.id,
                    "projectId": found.id,
                    "projectName": project,
                    "environment": environment,
                    "environmentName": environment,
                    "secretPath": path,
                    "changedBy": "made-up",
                    "changedByActorType": "identity",
                },
                "timestamp": sent,
            }
        )
        signed = {"x-infisical-signature": f"t={sent};{signature(hook.secret, body)}"}
        return body, signed if hook.secret else {}

    def _status(self, _: Asked) -> Answer:
        return told({"message": "Ok", "maxIdentityAccessTokenTTL": self.state.ceiling})

    def _universal(self, asked: Asked) -> Answer:
        return told(self._tokens.universal(self.state, asked, self.now))

    def _kubernetes(self, asked: Asked) -> Answer:
        return told(self._tokens.kubernetes(self.state, asked, self.now))

    def _renew(self, asked: Asked) -> Answer:
        return told(self._tokens.renew(self.state, asked, self.now))

    def _revoke(self, asked: Asked) -> Answer:
        return told(self._tokens.revoke(asked))

    def _projects(self, asked: Asked) -> Answer:
        who = self._tokens.holder(self.state, asked, self.now)
        mine = [
            slug for slug in self.state.projects if self._rules(who, slug) is not None
        ]
        return told({"projects": [self._told(slug) for slug in mine]})

    def _project(self, asked: Asked) -> Answer:
        who = self._tokens.holder(self.state, asked, self.now)
        slug = asked.parts["slug"]
        if slug not in self.state.projects:
            raise Refused(404, "NotFound", "Project not found")
        self._membership(who, slug)
        return told(self._told(slug))

    def _list(self, asked: Asked) -> Answer:
        who = self._tokens.holder(self.state, asked, self.now)
        wished, (slug, project) = wish(asked), self._asked_project(asked)
        question = who, f"{asked.path}?{sorted(asked.query.items())}"
        tag = given_tag(asked)
        if tag and self._outlived.get(question) == (tag, project):
            return Answer(304, headers={"etag": f'"{tag}"'})
        rules = self._rules_for(who, slug)
        body = encoded(Reading(project, rules, wished).listed(wanted_by(asked)))
        tag = _tag_of(who, rules, body)
        if rules != self.state.identities[who].rules.get(slug):
            # As seen: who asks while rights that are gone are still believed, is
            # told 304 until somebody writes.
            self._outlived[question] = tag, project.model_copy(deep=True)
        return conditional(asked, body, tag)

    def _one(self, asked: Asked) -> Answer:
        who = self._tokens.holder(self.state, asked, self.now)
        name = asked.parts["name"]
        if len(name) > _LONGEST_NAME:
            return _no_route(asked)
        wished, (slug, project) = wish(asked), self._asked_project(asked)
        reading = Reading(project, self._rules_for(who, slug), wished)
        place, newest = reading.one(name)
        secret = newest.at(int(asked.query.get("version", newest.version)))
        if asked.query.get("type") == "personal" or secret is None:
            raise Refused(404, "NotFound", f"Secret {name} not found")
        spelt = wished.path.rstrip("/") or "/" if place == reading.place else place[1]
        body = encoded({"secret": reading.item(place, name, secret, spelt)})
        digest = hashlib.sha1(body, usedforsecurity=False).digest()
        return conditional(asked, body, base64.b64encode(digest).decode())

    def _asked_project(self, asked: Asked) -> tuple[str, Project]:
        if is_v4(asked):
            found = self._by_id(asked.query.get("projectId"))
            missing = 422 if "name" in asked.parts else 400
            is_given = "projectId" in asked.query
        else:
            slug = asked.query.get("workspaceSlug")
            found = slug or self._by_id(asked.query.get("workspaceId"))
            missing = 400
            is_given = not {"workspaceSlug", "workspaceId"}.isdisjoint(asked.query)
        if not is_given:
            error = "ValidationFailure" if missing == 422 else "BadRequest"
            raise Refused(missing, error, "Project is required")
        if found not in self.state.projects:
            raise Refused(404, "NotFound", "Project not found")
        return found, self.state.projects[found]

    def _by_id(self, wanted: str | None) -> str:
        projects = self.state.projects.items()
        return next((slug for slug, each in projects if each.id == wanted), "")

    def _rules_for(self, who: str, slug: str) -> list[Rule]:
        rules = self._membership(who, slug)
        if not rules:
            raise Refused(403, "PermissionDenied", "You are not allowed", [])
        return rules

    def _membership(self, who: str, slug: str) -> list[Rule]:
        rules = self._rules(who, slug)
        if rules is None:
            raise Refused(403, "ProjectMembershipNotFound", "You are not a member")
        return rules

    def _rules(self, who: str, slug: str) -> list[Rule] | None:
        """Return the rules as they are believed to be; None for no member."""
        looked, rules = self._believed.get((who, slug), (float("-inf"), None))
        if self.now - looked >= self.state.remembered_seconds:
            present = self.state.identities[who].rules.get(slug)
            rules = None if present is None else [each.model_copy() for each in present]
            self._believed[who, slug] = self.now, rules
        return rules

    def _told(self, slug: str) -> dict[str, Any]:
        project = self.state.projects[slug]
        environments = [
            {"name": name, "slug": name, "id": id_of(slug, name)}
            for name in project.environments
        ]
        found = {"id": project.id, "_id": project.id, "name": slug, "slug": slug}
        return found | {"environments": environments}


def _tag_of(who: str, rules: list[Rule], body: bytes) -> str:
    """Return the tag of a list: of its content, for one identity and its rights."""
    rights = json.dumps([who, *(each.model_dump() for each in rules)]).encode()
    digest = hashlib.sha256(rights + body).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _no_route(asked: Asked) -> Answer:
    message = f"Route {asked.method}:{asked.path} not found"
    return told({"message": message, "error": "Not Found", "statusCode": 404}, 404)


def _error(refused: Refused) -> Answer:
    found = {
        "reqId": f"req-{uuid.uuid4().hex[:14]}",
        "statusCode": refused.status,
        "message": refused.message,
        "error": str(refused),
    }
    if refused.details is not None:
        found["details"] = refused.details
    return told(found, refused.status)


def _where(hook: Hook) -> tuple[str, str, str]:
    project, environment, path = hook.place.split("/", 2)
    return project, environment, f"/{path}"
