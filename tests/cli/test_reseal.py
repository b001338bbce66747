"""`vaultferry reseal`: tokens move to the newest key, and no other byte changes."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.cli.command import CANARY, refusal, run
from tests.keyrings import keyring, root_key, seal
from vaultferry.core.errors import TokenNotOpened
from vaultferry.core.keyring import Keyring
from vaultferry.core.sealing import Place, Scope, Token
from vaultferry.core.suites import Suite

OLD, NEW, BOTH = keyring(1), keyring(2), keyring(2, 1)
TEXT_OF_BOTH = f"{root_key(2)},{root_key(1)}"
A, B = Place("backup", "app", "a"), Place("backup", "app", "b")


def old(
    place: Place = A, scope: Scope = Scope.STRICT, suite: Suite = Suite.HPKE_X25519
) -> str:
    """Return a token of the old key for the value that is named like its field."""
    return seal(suite, scope, place, place.field.encode(), OLD)


def manifest(sealed: str, metadata: str = "{namespace: backup, name: app}") -> str:
    return f"""\
apiVersion: vaultferry.dev/v1alpha1
kind: VaultSecret
metadata: {metadata}
spec:
  type: opaque
  sealed: {sealed}
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Write a manifest into a file."""

    def written(text: str, name: str = "app.yaml") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode())
        return path

    return written


def resealed(path: Path, *options: str) -> str:
    """Reseal a file, which must succeed; return its text."""
    result = run("reseal", *options, str(path), ENCRYPTION_KEY=TEXT_OF_BOTH)
    assert result.exit_code == 0, result.stderr
    return path.read_bytes().decode()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def token_in(text: str, field: str = "a") -> str:
    token: str = yaml.safe_load(text)["spec"]["sealed"][field]
    return token


def opens(token: str, place: Place, ring: Keyring = NEW) -> bool:
    try:
        return ring.open(token, place) == place.field.encode()
    except TokenNotOpened:
        return False


def test_a_value_is_sealed_for_the_newest_key_and_needs_the_old_one_no_more(
    write: Callable[[str], Path],
) -> None:
    path = write(manifest(f"{{a: {old()}}}"))

    result = run("reseal", str(path), ENCRYPTION_KEY=TEXT_OF_BOTH)

    assert result.stdout == f"{path}: 1 resealed for key {NEW.key_id}\n"
    assert opens(token_in(path.read_text()), A)


@pytest.mark.parametrize("suite", Suite)
@pytest.mark.parametrize("scope", Scope)
def test_suite_and_scope_stay_as_they_were(
    write: Callable[[str], Path], suite: Suite, scope: Scope
) -> None:
    text = resealed(write(manifest(f"{{a: {old(A, scope, suite)}}}")))

    header = Token.parse(token_in(text), "a").header
    assert (header.suite, header.scope) == (suite, scope)


STYLES = {
    "plain": "a: {}",
    "single quotes": "a: '{}'",
    "double quotes": 'a: "{}"',
    "a quoted field": '"a": {}',
    "a literal block": "a: |-\n      {}",
    "a folded block": "a: >-\n      {}",
    "a tag": "a: !!str {}",
    "an anchor": "a: &token {}",
    "a comment behind": "a: {}   # of the old days",
    "blanks": "a :   {}   ",
}
AROUND = """\
# Comments stay,\tand so do blanks.   \n

---
apiVersion: v1
kind: ConfigMap
metadata: {{name: ümläut}}
data:
  sealed: "vf1.hpke-x25519.strict.0badc0de-1.AAAA"
  b: !vault |
    custom
--- # the one
kind:       VaultSecret
apiVersion: "vaultferry.dev/v1alpha1"
metadata:
    name: app   # quoted by nobody
    namespace: 'backup'
    annotations: {{note: 日本 \U0001f600}}
spec:
  sealed:
    # first
    {}

    b:    {}
  type: opaque
...
---
"""


@pytest.mark.parametrize("ending", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_every_byte_but_the_tokens_stays(
    write: Callable[[str], Path], style: str, ending: str
) -> None:
    one, two = old(A), old(B)
    before = AROUND.format(style.format(one), two).replace("\n", ending)

    after = resealed(write(before))

    spec = list(yaml.load_all(after, Loader=Tolerant))[-2]["spec"]
    new_one, new_two = spec["sealed"]["a"], spec["sealed"]["b"]
    assert opens(new_one, A)
    assert opens(new_two, B)
    assert after == before.replace(one, new_one).replace(two, new_two)


class Tolerant(yaml.SafeLoader):
    """Reads tags that it does not know."""


Tolerant.add_constructor("!vault", lambda _loader, node: str(node.value))


def test_json_and_lists_are_resealed_too(write: Callable[[str], Path]) -> None:
    body = yaml.safe_load(manifest(f"{{a: {old()}}}"))
    listed = {"apiVersion": "v1", "kind": "List", "items": [body, {"kind": "Other"}]}

    text = resealed(write(json.dumps(listed, indent=4)))

    after = json.loads(text)
    token = after["items"][0]["spec"]["sealed"]["a"]
    assert opens(token, A)
    assert text == json.dumps(after, indent=4)


def test_a_second_run_changes_nothing(write: Callable[[str], Path]) -> None:
    path = write(manifest(f"{{a: {old()}}}"))
    text = resealed(path)
    before = path.stat()

    assert run("reseal", str(path), ENCRYPTION_KEY=TEXT_OF_BOTH).stdout == ""
    assert path.read_text() == text
    assert path.stat() == before


def test_what_has_no_sealed_values_is_left(write: Callable[[str], Path]) -> None:
    external = "kind: VaultSecret\napiVersion: vaultferry.dev/v1alpha1\nspec: {}\n"
    foreign = manifest(f"{{a: {old()}}}").replace("vaultferry.dev", "example.com")
    for text in ("", "---\n", "- a list\n", "just text", external, foreign):
        assert resealed(write(text)) == text


def test_mode_and_links_are_kept(write: Callable[[str], Path], tmp_path: Path) -> None:
    path = write(manifest(f"{{a: {old()}}}"))
    path.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(path)

    resealed(link)

    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert names(tmp_path) == ["app.yaml", "link.yaml"]


def test_another_suite_can_be_asked_for(write: Callable[[str], Path]) -> None:
    path = write(manifest(f"{{a: {old()}}}"))

    text = resealed(path, "--suite", "hpke-mlkem768x25519")

    assert token_in(text).startswith("vf1.hpke-mlkem768x25519.strict.")
    assert opens(token_in(text), A)


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("asked", Scope)
def test_with_the_root_key_any_scope_can_be_asked_for(
    write: Callable[[str], Path], scope: Scope, asked: Scope
) -> None:
    path = write(manifest(f"{{a: {old(A, scope)}}}"))

    token = token_in(resealed(path, "--scope", str(asked)))

    assert opens(token, A)
    elsewhere = {
        Place("backup", "other", "a"): asked is not Scope.STRICT,
        Place("other", "app", "a"): asked is Scope.CLUSTER,
    }
    assert {place: opens(token, place) for place in elsewhere} == elsewhere


@pytest.mark.parametrize("asked", [(), ("--scope", "cluster")], ids=["as is", "wider"])
def test_without_the_root_key_nothing_is_widened(
    write: Callable[[str], Path], asked: tuple[str, ...]
) -> None:
    text = manifest(f"{{a: {old()}}}")
    path = write(text)

    other = refusal("reseal", *asked, str(path), ENCRYPTION_KEY=root_key(3))

    assert "VaultSecret backup/app: field a: sealed for key" in other
    assert path.read_text() == text


def test_a_scope_that_was_written_over_is_refused(
    write: Callable[[str], Path],
) -> None:
    forged = old().replace(".strict.", ".cluster.")
    path = write(manifest(f"{{a: {forged}}}"))

    line = refusal(
        "reseal", "--scope", "cluster", str(path), ENCRYPTION_KEY=TEXT_OF_BOTH
    )

    assert "sealed for another place, or altered" in line


def test_the_namespace_can_be_given(write: Callable[[str], Path]) -> None:
    path = write(manifest(f"{{a: {old()}}}", "{name: app}"))

    assert refusal("reseal", str(path), ENCRYPTION_KEY=TEXT_OF_BOTH) == (
        f"{path}: VaultSecret app: no metadata.namespace; --namespace gives it; "
        "nothing was written"
    )
    assert opens(token_in(resealed(path, "--namespace", "backup")), A)


def test_check_tells_and_writes_nothing(write: Callable[[str], Path]) -> None:
    text = manifest(f"{{a: {old()}, b: {seal(Suite.FERNET, place=B, ring=NEW)}}}")
    path = write(text)

    result = run("reseal", "--check", str(path), ENCRYPTION_KEY=TEXT_OF_BOTH)

    assert result.exit_code == 1
    assert result.stdout == f"{path}: 1 to be resealed for key {NEW.key_id}\n"
    assert path.read_text() == text
    resealed(path)
    assert (
        run("reseal", "--check", str(path), ENCRYPTION_KEY=TEXT_OF_BOTH).exit_code == 0
    )


TWICE = f"{{a: &t {old()}, b: *t}}"
REFUSED = {
    "no YAML": ("a: b: c\n", "line 1: no YAML"),
    "a template": ("a: 1\nb: {{ .Values.x }}: y\n", "line 2: no YAML"),
    "a control character": ("a: \x07\n", "no YAML"),
    "plaintext": (manifest(f"{{a: {CANARY}}}"), "field a: no token, wanted is vf1."),
    "a map in it": (manifest("{a: {b: c}}"), "field a is not written as one piece"),
    "an empty value": (manifest("{a: ''}"), "field a is not written as one piece"),
    "no map": (manifest("text"), "spec.sealed is no map"),
    "an escape": (
        manifest('{a: "' + old().replace("vf1", "\\x76f1") + '"}'),
        "field a is not written as one piece",
    ),
    "several lines": (
        manifest('{a: "' + old()[:60] + "\\\n  " + old()[60:] + '"}'),
        "field a is not written as one piece",
    ),
    "an alias": (manifest(TWICE), "an alias stands for several values"),
    "a merge": (manifest("{<<: {}}"), "line 6: << is not understood here"),
    "sealed twice": (
        manifest("{}") + "  sealed: {}\n",
        "sealed is there twice",
    ),
}


@pytest.mark.parametrize(("text", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_resealed_is_refused_and_nothing_is_written(
    write: Callable[..., Path], text: str, words: str
) -> None:
    good = manifest(f"{{a: {old()}}}")
    first, bad = write(good), write(text, "bad.yaml")

    line = refusal("reseal", str(first), str(bad), ENCRYPTION_KEY=TEXT_OF_BOTH)

    assert line.startswith(f"{bad}: ")
    assert words in line
    assert line.endswith("; nothing was written")
    assert (first.read_text(), bad.read_text()) == (good, text)


def test_every_value_that_cannot_be_resealed_is_named(
    write: Callable[..., Path],
) -> None:
    moved = manifest(f"{{a: {old(B)}, b: {old(A)}}}")
    paths = [str(write(moved)), str(write("a: b: c", "bad.yaml"))]

    result = run("reseal", *paths, ENCRYPTION_KEY=TEXT_OF_BOTH)

    assert result.exit_code == 2
    assert [line.split(": ")[1:4] for line in result.stderr.splitlines()] == [
        [paths[0], "VaultSecret backup/app", "field a"],
        [paths[0], "VaultSecret backup/app", "field b"],
        [paths[1], "line 1", "no YAML; nothing was written"],
    ]


@pytest.mark.parametrize("file", [CANARY, f"{CANARY}\0", "."])
def test_what_is_no_file_is_not_quoted(file: str) -> None:
    line = refusal("reseal", file, ENCRYPTION_KEY=TEXT_OF_BOTH)

    assert line.startswith("file 1 of 1: cannot be read: ")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "binary"
    path.write_bytes(b"\xff\xfe")

    assert refusal("reseal", str(path), ENCRYPTION_KEY=TEXT_OF_BOTH) == (
        f"{path}: not UTF-8; nothing was written"
    )


def test_where_the_disk_is_full_the_file_stays_whole(
    write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = manifest(f"{{a: {old()}}}")
    path = write(text)

    def full(descriptor: int) -> None:
        del descriptor
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    line = refusal("reseal", str(path), ENCRYPTION_KEY=TEXT_OF_BOTH)

    assert line == f"{path}: cannot be written: No space left on device"
    assert path.read_text() == text
    assert names(path.parent) == ["app.yaml"]
