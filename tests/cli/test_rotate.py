"""`vaultferry rotate`: one guarded patch for each resource, whatever is answered."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.builders import Body, edited, vault_secret_body
from tests.cli.apiserver import ApiServer, serving
from tests.cli.command import refusal, run
from tests.keyrings import keyring, root_key, seal
from tests.patches import merge_patched
from tests.running import run as run_coroutine
from vaultferry.cli import rotate
from vaultferry.cli.refusal import Refused
from vaultferry.cli.rotate import Rotation
from vaultferry.cluster import Cluster
from vaultferry.core.answers import Absent, Expired, Stale
from vaultferry.core.errors import ApiForbidden, ApiRejected, ApiUnavailable
from vaultferry.core.publickeys import NAME, published
from vaultferry.core.sealing import Place
from vaultferry.core.suites import Suite
from vaultferry.views import Key

BOTH, TEXT_OF_BOTH = keyring(2, 1), f"{root_key(2)},{root_key(1)}"
NAMES = ["a", "b", "c"]
KEYS = [Key("team", name) for name in NAMES]


def resource(name: str, ring: Any = None) -> Body:
    """Return a VaultSecret that nobody keeps, sealed for the old key."""
    token = seal(Suite.FERNET, place=Place("team", name, "v"), ring=ring or keyring(1))
    body = vault_secret_body(type="opaque", sealed={"v": token})
    return edited(body, name=name, uid=f"uid of {name}")


class Api(Cluster):
    """Keeps VaultSecrets; the next calls may be faults."""

    def __init__(self) -> None:
        self.kept = {Key("team", name): resource(name) for name in NAMES}
        self.faults: dict[str, list[Exception]] = {}
        self.calls: list[str] = []

    async def list_whole_vaultsecrets(
        self, namespace: str | None
    ) -> AsyncIterator[tuple[list[Any], str]]:
        for number, key in enumerate(self.kept):
            if namespace in {None, key.namespace}:
                self._called(f"list {number}")
                yield [self.kept[key]], "1"

    async def get_vaultsecret(self, namespace: str, name: str) -> Body:
        self._called(f"get {name}")
        return self.kept[Key(namespace, name)]

    async def patch_vaultsecret(
        self, namespace: str, name: str, manager: str, patch: Any
    ) -> None:
        assert manager == "vaultferry-rotate"
        self._called(f"patch {name}")
        key = Key(namespace, name)
        before = self.kept[key]
        for guard in ("uid", "resourceVersion"):
            if before["metadata"][guard] != patch["metadata"][guard]:
                raise Stale
        after = merge_patched(before, patch)
        self.kept[key] = edited(after, resourceVersion=f"{len(self.calls)}0")

    def _called(self, call: str) -> None:
        self.calls.append(call)
        if waiting := self.faults.get(call):
            raise waiting.pop(0)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotate, "FIRST_PAUSE_SECONDS", 0.0)


def results(api: Api, namespace: str | None = None, *, dry: bool = False) -> list[str]:
    """Rotate; return how it ended for each, by name."""
    work = Rotation(api, BOTH, 2, dry_run=dry)
    run_coroutine(work.run(namespace))
    return [work.results.get(key, "") for key in KEYS]


def on_newest(api: Api) -> list[bool]:
    tokens = [api.kept[key]["spec"]["sealed"]["v"] for key in KEYS]
    return [BOTH.key_id in token for token in tokens]


def test_all_is_moved_by_one_patch_each_and_a_second_time_nothing() -> None:
    api = Api()

    assert results(api) == ["rotated"] * 3
    assert on_newest(api) == [True] * 3
    assert [call for call in api.calls if "list" not in call] == [
        "patch a",
        "patch b",
        "patch c",
    ]
    assert results(api) == ["current"] * 3


def test_in_another_namespace_nothing_is_done() -> None:
    api = Api()

    assert results(api, "elsewhere") == [""] * 3
    assert on_newest(api) == [False] * 3


def test_a_trial_writes_nothing() -> None:
    api = Api()

    assert results(api, dry=True) == ["rotated"] * 3
    assert on_newest(api) == [False] * 3


@pytest.mark.parametrize(
    "fault", [Stale(), ApiUnavailable("no answer")], ids=lambda f: type(f).__name__
)
def test_what_passes_is_tried_again_as_it_is_then(fault: Exception) -> None:
    api = Api()
    api.faults["patch b"] = [fault, fault]
    api.faults["get b"] = [fault]

    assert results(api) == ["rotated"] * 3
    assert on_newest(api) == [True] * 3


class Deaf(Api):
    """Does what it is asked, and its answer is lost."""

    async def patch_vaultsecret(
        self, namespace: str, name: str, manager: str, patch: Any
    ) -> None:
        await super().patch_vaultsecret(namespace, name, manager, patch)
        raise ApiUnavailable("no answer")


def test_what_was_written_though_no_answer_came_is_not_written_again() -> None:
    api = Deaf()

    assert results(api) == ["current"] * 3
    assert on_newest(api) == [True] * 3
    assert api.calls.count("patch a") == 1


LEFT: dict[str, tuple[str, Callable[[], Exception], str]] = {
    "it keeps changing": ("patch b", Stale, "it keeps changing"),
    "an outage": (
        "patch b",
        lambda: ApiUnavailable("no answer"),
        "ApiUnavailable: no answer",
    ),
    "no right": ("patch b", lambda: ApiForbidden("no"), "ApiForbidden: no"),
    "refused": ("patch b", lambda: ApiRejected("no"), "ApiRejected: no"),
    "gone": ("patch b", Absent, "gone"),
}


@pytest.mark.parametrize(("call", "fault", "why"), LEFT.values(), ids=LEFT)
def test_what_does_not_pass_holds_up_no_other(
    call: str, fault: Callable[[], Exception], why: str
) -> None:
    api = Api()
    api.faults[call] = [fault() for _ in range(100)]

    assert results(api) == ["rotated", why, "rotated"]


def test_a_token_that_does_not_open_holds_up_no_other() -> None:
    api = Api()
    api.kept[KEYS[1]] = resource("b", keyring(3))

    _, why, _ = results(api)

    assert why.startswith("UnknownKeyId: field v: sealed for key ")
    assert on_newest(api) == [True, False, True]


def test_a_list_that_expires_is_begun_anew_and_what_was_done_counts() -> None:
    api = Api()
    api.faults["list 2"] = [Expired()]

    assert results(api) == ["rotated"] * 3
    assert api.calls.count("patch a") == 1


NO_LIST = {
    "not installed": ([Absent()], "the cluster has no VaultSecrets installed"),
    "no right": ([ApiForbidden("no")], "you may not list them"),
    "an outage": ([ApiUnavailable("no answer")], "no answer"),
    "for ever": ([Expired()] * 100, "the lists kept expiring"),
}


@pytest.mark.parametrize(("faults", "why"), NO_LIST.values(), ids=NO_LIST)
def test_where_nothing_can_be_listed_it_is_told(
    faults: list[Exception], why: str
) -> None:
    api = Api()
    api.faults["list 0"] = list(faults)

    with pytest.raises(Refused) as caught:
        results(api)

    assert str(caught.value) == f"VaultSecrets not listed: {why}"


CONFIG_MAP = f"/api/v1/namespaces/vaultferry-system/configmaps/{NAME}"
LIST = "/apis/vaultferry.dev/v1alpha1/vaultsecrets?limit=100"


@pytest.fixture
def apiserver() -> Iterator[ApiServer]:
    with serving() as server:
        metadata = {"metadata": {"resourceVersion": "1"}}
        server.objects[CONFIG_MAP] = metadata | {"data": published(BOTH)}
        yield server


@pytest.fixture
def kubeconfig(apiserver: ApiServer, tmp_path: Path) -> str:
    return apiserver.kubeconfig(tmp_path / "config")


def listing(*bodies: Body) -> Body:
    return {"metadata": {"resourceVersion": "1"}, "items": list(bodies)}


def test_it_says_what_is_left_and_ends_with_1(
    apiserver: ApiServer, kubeconfig: str
) -> None:
    kept = resource("b")
    kept["metadata"]["managedFields"] = [
        {"manager": "argocd", "fieldsV1": {"f:spec": {"f:sealed": {}}}}
    ]
    apiserver.objects[LIST] = listing(resource("a", BOTH), kept, resource("c"))

    arguments = ("rotate", "--kubeconfig", kubeconfig, "--dry-run")
    result = run(*arguments, ENCRYPTION_KEY=TEXT_OF_BOTH)

    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "team/b: kept by argocd: reseal the manifest",
        f"key {BOTH.key_id}: 1 to rotate, 1 on it already, 1 left",
    ]


def test_where_all_is_on_the_newest_key_it_ends_with_0(
    apiserver: ApiServer, kubeconfig: str
) -> None:
    path = LIST.replace("/vaultsecrets", "/namespaces/team/vaultsecrets")
    apiserver.objects[path] = listing(resource("a", BOTH))

    arguments = ("rotate", "--kubeconfig", kubeconfig, "--namespace", "team")
    result = run(*arguments, ENCRYPTION_KEY=TEXT_OF_BOTH)

    line = f"key {BOTH.key_id}: 0 rotated, 1 on it already, 0 left\n"
    assert (result.exit_code, result.stdout) == (0, line)


def test_a_key_that_the_operator_does_not_seal_for_is_refused(
    apiserver: ApiServer, kubeconfig: str
) -> None:
    theirs = published(keyring(1))
    apiserver.objects[CONFIG_MAP]["data"] = theirs

    line = refusal("rotate", "--kubeconfig", kubeconfig, ENCRYPTION_KEY=TEXT_OF_BOTH)

    assert line == (
        f"the operator seals for key {keyring(1).key_id}, and this would for "
        f"{BOTH.key_id}: give both the same root keys, the newest first"
    )
    assert [path for path, _ in apiserver.asked] == [CONFIG_MAP]


def test_without_a_root_key_nothing_is_asked(
    apiserver: ApiServer, kubeconfig: str
) -> None:
    line = refusal("rotate", "--kubeconfig", kubeconfig)

    assert line == "no root key: set ENCRYPTION_KEY or ENCRYPTION_KEY_FILE"
    assert apiserver.asked == []
