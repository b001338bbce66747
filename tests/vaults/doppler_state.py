"""What is in a fake Doppler."""

import re
from typing import Any

from tests.vaults.limiter import Rate
from tests.vaults.vault import Kept
from tests.vaults.webhooks import Hook

_REFERENCE = re.compile(r"\$\{((?:[\w-]+\.){0,2}\w+)\}")


class Token(Kept):
    """What a token reaches; its kind is in how it begins."""

    config: str | None = None
    """The only one that a service token reaches, as `project/config`."""

    projects: list[str] | None = None
    """Those that any other token reaches; None for all."""

    expires_at: float | None = None
    """In seconds since 1970."""


class Identity(Kept):
    """An identity of a service account, which a workload logs in to."""

    subject: str
    """Whom the workload's own token is about."""

    audience: str
    projects: list[str] | None = None
    token: str = ""
    """What it gets, each time; nothing: another one each time."""

    seconds: float = 900
    """How long the tokens that it gets are good."""


class State(Kept):
    """What is in Doppler."""

    configs: dict[str, dict[str, str]] = {}
    """By `project/config`: what was entered, with references, by name."""

    tokens: dict[str, Token] = {}
    identities: dict[str, Identity] = {}
    """By the id of the identity."""

    keys: dict[str, Any] | None = None
    """Those of the cluster whose tokens log in (JWKS); None: nothing is verified."""

    rate: Rate = Rate(limit=480)
    ping_seconds: float = 30
    webhooks: list[Hook] = []
    """Their places are configs, as `project/config`."""

    def entered(self, place: str) -> dict[str, str]:
        """Return the raw values of a config, Doppler's own included."""
        project, config = place.split("/")
        return self.configs.get(place, {}) | {
            "DOPPLER_PROJECT": project,
            "DOPPLER_CONFIG": config,
            "DOPPLER_ENVIRONMENT": config.split("_")[0],
        }

    def computed(self, place: str, raw: str, met: set[str]) -> str:
        """Return a value with its references resolved, those to nowhere excepted."""

        def resolved(found: re.Match[str]) -> str:
            *where, name = found[1].split(".")
            target = "/".join([*place.split("/")[: 2 - len(where)], *where])
            target_raw = self.entered(target).get(name)
            if target_raw is None or found[1] in met:
                return found[0]
            return self.computed(target, target_raw, {*met, found[1]})

        return _REFERENCE.sub(resolved, raw) if "${" in raw else raw
