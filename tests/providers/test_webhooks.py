"""Webhooks as the vendors sign them, and all that only looks like one."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from vaultferry import providers
from vaultferry.core.provider import Webhook

SECRET = b"canary-signing-secret"
NOW = 1_795_365_688.758
SENT = 1_795_365_688_758
DOPPLER = json.dumps({"type": "config.secrets.update", "diff": {"updated": ["A"]}})
INFISICAL = json.dumps({"event": "secrets.modified", "timestamp": SENT})

Change = Callable[[str], str]


def signature(body: str | bytes, secret: bytes = SECRET) -> str:
    raw = body.encode() if isinstance(body, str) else body
    return hmac.new(secret, raw, hashlib.sha256).hexdigest()


def webhook(name: str) -> Webhook[Any]:
    found = providers.load(name).PROVIDER.webhook
    assert found is not None
    return found


def verify(
    name: str, headers: Mapping[str, list[str]], body: str, now: float = NOW
) -> bool:
    return webhook(name).verify(headers, body.encode(), SECRET, now)


def doppler(said: str, body: str = DOPPLER) -> bool:
    return verify("doppler", {"x-doppler-signature": [said]}, body)


def infisical(said: str, body: str = INFISICAL, now: float = NOW) -> bool:
    return verify("infisical", {"x-infisical-signature": [said]}, body, now)


GOOD = {
    "doppler": (f"sha256={signature(DOPPLER)}", DOPPLER),
    "infisical": (f"t={SENT};{signature(INFISICAL)}", INFISICAL),
}
CASES = [(name, *case) for name, case in GOOD.items()]


@pytest.mark.parametrize(("name", "said", "body"), CASES, ids=GOOD)
def test_what_the_vendor_signs_is_signed(name: str, said: str, body: str) -> None:
    assert verify(name, {f"x-{name}-signature": [said], "host": ["a", "b"]}, body)


@pytest.mark.parametrize(("name", "said", "body"), CASES, ids=GOOD)
def test_it_is_not_where_anything_is_another(name: str, said: str, body: str) -> None:
    header = f"x-{name}-signature"

    assert not webhook(name).verify({header: [said]}, body.encode(), b"other", NOW)
    assert not verify(name, {header: [said]}, body + " ")
    assert not verify(name, {header: [said]}, body.replace('": ', '":'))
    assert not verify(name, {header: [said, said]}, body)
    assert not verify(name, {"x-signature": [said]}, body)
    assert not verify(name, {}, body)


SPELT: dict[str, Change] = {
    "empty": lambda _: "",
    "capitals": lambda said: said.upper(),
    "no way": lambda said: said.rpartition("=")[2],
    "another way": lambda said: said.replace("sha256=", "sha1="),
    "a blank": lambda said: f"{said} ",
    "base64": lambda said: said[:-64] + base64.b64encode(bytes(48)).decode(),
    "huge": lambda said: said + "0" * 100_000,
    "twice": lambda said: f"{said},{said}",
    "not ASCII": lambda said: said[:-1] + "\u0661",
}


@pytest.mark.parametrize("change", SPELT.values(), ids=SPELT)
@pytest.mark.parametrize(("name", "said", "body"), CASES, ids=GOOD)
def test_a_signature_is_spelt_in_one_way(
    name: str, said: str, body: str, change: Change
) -> None:
    other = change(said)  # What one vendor does not write stays as it is.

    assert verify(name, {f"x-{name}-signature": [other]}, body) is (other == said)


@pytest.mark.parametrize("late", [-299.0, 0.0, 299.0])
def test_infisical_is_believed_within_five_minutes(late: float) -> None:
    assert infisical(GOOD["infisical"][0], now=NOW + late)


@pytest.mark.parametrize("late", [-301.0, 301.0, 1e9])
def test_a_webhook_of_infisical_is_good_for_five_minutes(late: float) -> None:
    assert not infisical(GOOD["infisical"][0], now=NOW + late)


@pytest.mark.parametrize(
    "said",
    [
        f"t={SENT + 1};{{}}",
        f"t=0{SENT}0;{{}}",
        "t=;{}",
        ";{}",
        f"t={SENT}; {{}}",
        f"t={SENT},{{}}",
        f"t={'9' * 5000};{{}}",
        f"t=\u0661{SENT};{{}}",
    ],
)
def test_the_time_is_the_one_that_was_signed(said: str) -> None:
    assert not infisical(said.format(signature(INFISICAL)))


@pytest.mark.parametrize(
    "body",
    ["", "[]", "{}", "no json", "[" * 100_000, '{"timestamp": "1"}', "null"],
    ids=["empty", "list", "no time", "no JSON", "deep", "text", "null"],
)
def test_a_body_without_its_time_is_none_of_infisical(body: str) -> None:
    assert not infisical(f"t={SENT};{signature(body)}", body)


def test_what_doppler_sends_may_be_any_json() -> None:
    # A person may replace its body, so nothing in it is relied upon.
    assert doppler(f"sha256={signature('[1]')}", "[1]")


@pytest.mark.parametrize("name", ["aws_ssm", "onepassword_connect"])
def test_other_vaults_send_none(name: str) -> None:
    assert providers.load(name).PROVIDER.webhook is None
