"""One review, start to end, with a stand-in for the API server."""

import json
import logging
from collections import Counter
from typing import Any

import pytest

from tests.admission import applied, opened, patched, plain, review, stored
from tests.builders import NAME, NAMESPACE
from tests.keyrings import keyring
from tests.running import run
from tests.standin import StandIn
from vaultferry.core.admission import Malformed
from vaultferry.core.errors import ApiForbidden, ApiUnavailable
from vaultferry.core.resealing import ANNOTATION
from vaultferry.core.sealing import Place, Scope
from vaultferry.webhook.review import BURST, SECONDS_EACH, Reviewer

Body = dict[str, Any]

CANARY = "canary-value"


class Hook:
    """A reviewer, and what it counted."""

    def __init__(self) -> None:
        self.cluster = StandIn()
        self.counted: Counter[str] = Counter()
        self.now = 0.0
        self._reviewer = Reviewer(
            keyring(), self.cluster, lambda: self.now, self._count
        )

    def _count(self, result: str) -> None:
        self.counted[result] += 1

    def answer(self, asked: Body) -> Any:
        return run(self._reviewer.answer(json.dumps(asked).encode()))

    def code(self, asked: Body) -> int:
        answer = self.answer(asked)["response"]
        return 200 if answer["allowed"] else int(answer["status"]["code"])


@pytest.fixture
def hook() -> Hook:
    return Hook()


def old(value: str = CANARY) -> Body:
    place = Place(NAMESPACE, NAME, "a")
    return stored({"a": keyring().seal_at_rest(value.encode(), Scope.STRICT, place)})


def test_a_new_vaultsecret_is_sealed_without_a_look_at_the_api_server(
    hook: Hook,
) -> None:
    body = applied(plain(a=CANARY))

    answer = hook.answer(review(body))

    assert opened(patched(body, answer)["spec"]) == {"a": CANARY.encode()}
    assert answer["response"]["uid"] == "of-the-review"
    assert answer["kind"] == "AdmissionReview"
    assert "warnings" not in answer["response"]
    assert (hook.cluster.calls, hook.counted) == ([], Counter(sealed=1))


def test_a_change_is_compared_with_what_the_api_server_has(hook: Hook) -> None:
    live = hook.cluster.store(hook.cluster.vaultsecrets, old())
    body = plain(a=CANARY)

    answer = hook.answer(review(body, old()))

    assert patched(body, answer)["spec"]["sealed"] == live["spec"]["sealed"]
    assert (hook.cluster.calls, hook.counted) == (["get vaultsecret"], Counter(kept=1))


def test_a_dry_run_is_answered_alike(hook: Hook) -> None:
    hook.cluster.store(hook.cluster.vaultsecrets, old())

    answer = hook.answer(review(plain(a=CANARY), old(), dryRun=True))

    assert answer["response"]["allowed"]
    assert hook.counted == Counter(kept=1)


def test_a_dry_run_that_asks_for_it_has_its_tokens_sealed_anew(hook: Hook) -> None:
    body = old()
    body["metadata"]["annotations"] = {ANNOTATION: "hpke-x25519"}

    answer = hook.answer(review(body, old(), dryRun=True))

    shown = patched(body, answer)
    assert shown["metadata"]["annotations"] == {}
    assert shown["spec"]["sealed"]["a"].startswith("vf1.hpke-x25519.strict.")
    assert opened(shown["spec"]) == {"a": CANARY.encode()}
    assert (hook.cluster.calls, hook.counted) == ([], Counter(sealed=1))


def test_what_would_be_stored_has_no_tokens_sealed_anew(hook: Hook) -> None:
    body = old()
    body["metadata"]["annotations"] = {ANNOTATION: "hpke-x25519"}

    answer = hook.answer(review(body, old()))["response"]

    assert answer == {"uid": "of-the-review", "allowed": True}


def test_what_is_gone_meanwhile_is_sealed_anew(hook: Hook) -> None:
    assert hook.code(review(plain(a=CANARY), old())) == 200
    assert hook.counted == Counter(sealed=1)


def test_without_plaintext_nothing_is_read_or_changed(hook: Hook) -> None:
    answer = hook.answer(review(old(), old()))

    assert answer["response"] == {"uid": "of-the-review", "allowed": True}
    assert (hook.cluster.calls, hook.counted) == ([], Counter(unchanged=1))


@pytest.mark.parametrize("fault", [ApiUnavailable("no"), ApiForbidden("no")])
def test_what_cannot_be_read_is_not_replaced(hook: Hook, fault: Exception) -> None:
    hook.cluster.faults["get vaultsecret"] = [fault]

    assert hook.code(review(plain(a=CANARY), old())) == 503
    assert hook.counted == Counter(refused=1)


WRONG: dict[str, tuple[Body, str]] = {
    "a value of the type": (
        plain({"type": "s3"}, access_key_id=f"{CANARY}\n", secret_access_key="x"),
        "field access_key_id has 13 bytes that are not one line of text",
    ),
    "a field of the type": (
        plain({"type": "token"}, password=CANARY),
        "missing: token; type token takes token",
    ),
    "a method of the type": (
        plain({"type": "token", "authMethod": "magic"}, token=CANARY),
        "type token takes spec.authMethod token",
    ),
    "no text": (plain(a=7), "field a of spec.credentials is no text"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_refusal_says_what_to_write_instead(
    hook: Hook, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    body, words = WRONG[case]

    with caplog.at_level(logging.DEBUG):
        answer = hook.answer(review(body))["response"]

    assert answer["status"]["code"] == 422
    assert f"VaultSecret {NAME}: {words}" in answer["status"]["message"]
    assert CANARY not in json.dumps(answer) + caplog.text


def test_what_looks_unusual_is_a_warning(hook: Hook) -> None:
    body = plain({"type": "s3"}, access_key_id=CANARY, secret_access_key=CANARY)

    answer = hook.answer(review(body))["response"]

    assert answer["allowed"]
    assert len(answer["warnings"]) > 0
    assert CANARY not in str(answer["warnings"])


@pytest.mark.parametrize("kind", ["magic", 7, None, ["token"]])
def test_an_unknown_type_is_left_to_the_schema(hook: Hook, kind: Any) -> None:
    assert hook.code(review(plain({"type": kind}, a=CANARY))) == 200


def test_a_method_that_is_no_text_is_left_to_the_schema(hook: Hook) -> None:
    body = plain({"type": "token", "authMethod": 7}, token=CANARY)

    assert hook.code(review(body)) == 200


def test_guessing_is_slow(hook: Hook) -> None:
    hook.cluster.store(hook.cluster.vaultsecrets, old("4711"))
    guesses = [review(plain(a=f"{i:04}"), old("4711")) for i in range(2 * BURST)]

    codes = [hook.code(guess) for guess in guesses]
    hook.now += SECONDS_EACH

    assert codes == [200] * BURST + [429] * BURST
    assert hook.cluster.calls == ["get vaultsecret"] * BURST
    assert [hook.code(guesses[0]) for _ in range(2)] == [200, 429]
    assert hook.code(review(plain(a="x"))) == 200
    assert hook.counted["limited"] == BURST + 1


@pytest.mark.parametrize(
    "text", [b"", b"canary", b"[]", b"{}", b"\xff", b"[" * 100_000]
)
def test_what_is_no_review_is_malformed(hook: Hook, text: bytes) -> None:
    with pytest.raises(Malformed):
        run(hook._reviewer.answer(text))  # noqa: SLF001
