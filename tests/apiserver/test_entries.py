"""Several kubeconfigs are one, as kubectl has it."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.apiserver.files import CANARY, URL, kubeconfig
from tests.running import run
from vaultferry.apiserver.credentials import Unusable
from vaultferry.apiserver.entries import files, read
from vaultferry.apiserver.kubeconfig import api_server, namespace


def shown(*paths: Path, context: str | None = None) -> str | None:
    """Return who somebody is by some kubeconfigs."""
    return run(api_server(read(paths), context).credentials.authorization())


def test_a_file_that_is_named_is_the_only_one() -> None:
    assert files("one:two", {"KUBECONFIG": "three"}) == [Path("one:two")]


def test_the_environment_names_several_files_once_each() -> None:
    listed = os.pathsep.join(["/a", "", "b", "/a"])

    assert files(None, {"KUBECONFIG": listed}) == [Path("/a"), Path("b")]


@pytest.mark.parametrize("environ", [{}, {"KUBECONFIG": ""}])
def test_without_any_it_is_that_of_the_home(environ: dict[str, str]) -> None:
    found = files(None, {"HOME": "/home/me", **environ})

    assert found == [Path("/home/me/.kube/config")]


def test_of_each_name_the_first_file_counts_and_nothing_of_the_others(
    tmp_path: Path,
) -> None:
    first = kubeconfig(tmp_path / "first", {"username": "me", "password": "x"})
    second = kubeconfig(tmp_path / "second", {"token": "second"})

    assert str(shown(first, second)).startswith("Basic ")
    assert shown(second, first) == "Bearer second"


def test_the_first_current_context_counts_and_the_parts_may_be_anywhere(
    tmp_path: Path,
) -> None:
    first = kubeconfig(tmp_path / "first", {"token": "first"}, name="a", contexts=[])
    context = {"cluster": "b", "user": "a", "namespace": "shop"}
    second = kubeconfig(
        tmp_path / "second",
        {"token": "second"},
        name="b",
        contexts=[
            {"name": "a", "context": context},
            {"name": "b", "context": context | {"user": "b"}},
        ],
    )

    assert shown(first, second) == "Bearer first"
    assert shown(first, second, context="b") == "Bearer second"
    assert namespace(read([first, second])) == "shop"


def test_a_file_that_is_not_there_is_passed_over(tmp_path: Path) -> None:
    there = kubeconfig(tmp_path / "there", {"token": "made-up"})

    assert shown(tmp_path / "absent", there) == "Bearer made-up"


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    there = kubeconfig(tmp_path / "there", {"token": "made-up"})

    assert shown(tmp_path / "empty", there) == "Bearer made-up"


def test_where_all_are_absent_there_is_none(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"

    with pytest.raises(Unusable, match=f"^no kubeconfig at {a} or {b}$"):
        read([a, b])


def test_paths_begin_in_the_folder_of_the_file_that_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "token").write_text("near\n")
    (tmp_path / "token").write_text("wrong")
    context = [{"name": "far", "context": {"cluster": "far", "user": "near"}}]
    kubeconfig(tmp_path / "far", name="far", contexts=context)
    kubeconfig(tmp_path / "near" / "config", {"tokenFile": "token"}, name="near")
    monkeypatch.chdir(tmp_path)

    assert shown(Path("far"), Path("near/config")) == "Bearer near"


@pytest.mark.parametrize(
    "text",
    [f"{{{CANARY}", f"- {CANARY}", f"{CANARY}: a: b", "\0", f'"{CANARY}"'],
)
def test_what_is_no_kubeconfig_is_named_and_not_quoted(
    text: str, tmp_path: Path
) -> None:
    path = tmp_path / "config"
    path.write_text(text)

    with pytest.raises(Unusable, match=f"^kubeconfig {path} ") as caught:
        read([path])

    assert CANARY not in str(caught.value)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match=f"^kubeconfig {tmp_path} cannot be read$"):
        read([tmp_path])


SHAPES: dict[str, dict[str, Any]] = {
    "users that are no list": {"users": {"name": CANARY}},
    "a user that is no mapping": {"users": [CANARY]},
    "a user without a name": {"users": [{"user": {"token": CANARY}}]},
    "a name that is no text": {"users": [{"name": [CANARY]}]},
    "a content that is no mapping": {"users": [{"name": "ours", "user": CANARY}]},
    "a current context that is no text": {"current-context": [CANARY]},
    "no current context": {"current-context": ""},
    "a current context that is not there": {"current-context": "another"},
    "a context without a cluster": {"contexts": [{"name": "ours"}]},
    "a context whose cluster is not there": {
        "contexts": [{"name": "ours", "context": {"cluster": "another"}}]
    },
    "a context whose user is not there": {
        "contexts": [{"name": "ours", "context": {"cluster": "ours", "user": "other"}}]
    },
}


@pytest.mark.parametrize("more", SHAPES.values(), ids=SHAPES)
def test_what_is_no_part_of_a_kubeconfig_is_refused_and_not_quoted(
    more: dict[str, Any], tmp_path: Path
) -> None:
    path = kubeconfig(tmp_path / "config", {"token": CANARY}, **more)

    with pytest.raises(Unusable) as caught:
        api_server(read([path]))

    assert CANARY not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_context_without_a_user_is_of_nobody(tmp_path: Path) -> None:
    contexts = [{"name": "ours", "context": {"cluster": "ours"}}]
    path = kubeconfig(tmp_path / "config", {"token": CANARY}, contexts=contexts)

    assert shown(path) is None
    assert api_server(read([path])).url == URL
