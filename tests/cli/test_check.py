import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.cli.command import CANARY, Sealer, refusal, run
from tests.keyrings import seal
from vaultferry.core.suites import Suite

EXAMPLES = Path(__file__).parents[2] / "examples" / "vaults"
TOKEN = seal(Suite.HPKE_X25519)

GOOD = f"""\
apiVersion: vaultferry.dev/v1alpha1
kind: VaultSecret
metadata:
  name: db
spec:
  type: token
  sealed:
    token: {TOKEN}
"""


def write(folder: Path, text: str, name: str = "a.yaml") -> str:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return str(path)


def problems(folder: Path, text: str, *options: str) -> list[tuple[int, str, str]]:
    """Check a file; return line, field and words of what is wrong with it."""
    result = run("check", write(folder, text), "-o", "json", *options)
    found = json.loads(result.stdout)["problems"]
    assert result.exit_code == (1 if found else 0)
    return [(p["line"], p["field"], p["message"]) for p in found]


def test_a_good_manifest_has_no_problem(tmp_path: Path) -> None:
    result = run("check", write(tmp_path, GOOD))

    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "1 resources in 1 files: no problem\n"


def test_what_seal_prints_has_no_problem(tmp_path: Path) -> None:
    sealer = Sealer(tmp_path)
    manifest = sealer.run(*sealer.file("y", b"1"), *sealer.file("1e3", b"2")).stdout

    assert problems(tmp_path, manifest) == []


def test_the_examples_for_vaults_have_no_problem() -> None:
    manifests = sorted(map(str, EXAMPLES.glob("*.yaml")))
    result = run("check", *manifests)

    assert (len(manifests), result.exit_code) == (4, 0)
    assert result.stderr == "8 resources in 4 files: no problem\n"


PROBLEMS: dict[str, tuple[str, str, tuple[int, str, str]]] = {
    "a misspelt field": (
        "  sealed:",
        "  saeled:",
        (7, "spec.saeled", "is no field here: write sealed"),
    ),
    "plaintext": (
        TOKEN,
        CANARY,
        (7, "spec.sealed", "holds something that is no token: every value under"),
    ),
    "a damaged token": (
        TOKEN,
        f"vf1.{CANARY}",
        (8, "spec.sealed.token", "field token: no token, wanted is"),
    ),
    "a missing field": (
        "    token:",
        "    tokens:",
        (5, "spec", "spec.sealed of type token takes exactly token"),
    ),
    "an unknown type": (
        "type: token",
        f"type: {CANARY}",
        (6, "spec.type", "is not known: write one of azure_blob, b2, "),
    ),
    "a number for text": (
        "type: token",
        "type: 1e3",
        (6, "spec.type", "has another form: write text"),
    ),
    "what kubectl takes for true": (
        "type: token",
        "type: y",
        (6, "spec.type", "has another form: write text"),
    ),
    "a date is text": (
        "type: token",
        "displayName: 2026-01-01\n  type: 1",
        (7, "spec.type", "has another form: write text"),
    ),
    "a wrong name": (
        "name: db",
        f"name: {CANARY.upper()}",
        (4, "metadata.name", "is no name: write lower-case letters, digits, - and"),
    ),
    "no name": (
        "metadata:\n  name: db",
        "metadata:\n  namespace: db",
        (3, "metadata.name", "is no name: write lower-case letters, digits, - and"),
    ),
    "a wrong namespace": (
        "name: db",
        "name: db\n  namespace: a.b",
        (5, "metadata.namespace", "is no namespace: write lower-case letters"),
    ),
    "metadata that is none": (
        "metadata:\n  name: db",
        "metadata:\n",
        (3, "metadata.name", "is no name: write lower-case letters, digits, - and"),
    ),
    "another version": (
        "/v1alpha1",
        "/v1",
        (1, "apiVersion", "is not known: write vaultferry.dev/v1alpha1"),
    ),
    "another kind": (
        "kind: VaultSecret",
        "kind: VaultSecrets",
        (2, "kind", "is not known: write VaultSecret or VaultConnection"),
    ),
    "a key twice": (
        "  type: token",
        "  type: opaque\n  type: token",
        (7, "type", "is there twice: write it once"),
    ),
    "a template of a field that is not there": (
        "  type: token",
        "  type: token\n  target:\n    template:\n      a: '{{ tokn }}'",
        (8, "spec.target.template", "spec.target.template key a has no field tokn: u"),
    ),
    "a label that is not allowed": (
        "  type: token",
        "  type: token\n  target:\n    labels:\n      example.com/a: b",
        (7, "spec.target", "not allowed on a Secret: example.com/a; use keys"),
    ),
}


@pytest.mark.parametrize(("old", "new", "problem"), PROBLEMS.values(), ids=PROBLEMS)
def test_a_problem_is_told_with_its_line_and_what_to_write(
    tmp_path: Path, old: str, new: str, problem: tuple[int, str, str]
) -> None:
    assert GOOD.count(old) == 1

    [(line, field, message)] = problems(tmp_path, GOOD.replace(old, new))

    assert (line, field) == problem[:2]
    assert message.startswith(problem[2])


def test_a_template_of_fields_and_settings_has_no_problem(tmp_path: Path) -> None:
    new = "  type: token\n  target:\n    template:\n      a: 'x{{ token | json }}'"

    assert problems(tmp_path, GOOD.replace("  type: token", new)) == []


def test_a_prefix_that_the_operator_allows_is_allowed_here(tmp_path: Path) -> None:
    old, new, _ = PROBLEMS["a label that is not allowed"]
    text = GOOD.replace(old, new)

    assert problems(tmp_path, text, "--metadata-prefix", "example.com") == []


BROKEN = {
    "indentation": f"a:\n  b: 1\n c: {CANARY}\n",
    "a tag": f"a: 1\nb: 2\nc: !{CANARY} 1\n",
    "a key that is a list": f"a: 1\nb: 2\n? [{CANARY}]\n: 1\n",
    "a control character": f"a: 1\nb: 2\nc: {CANARY}\x01\n",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_what_is_not_yaml_is_a_problem_and_not_quoted(
    tmp_path: Path, text: str
) -> None:
    [(line, field, message)] = problems(tmp_path, text)

    assert (line > 0, field) == (True, "")
    assert message.startswith("is not YAML from here on")


def test_deep_nesting_is_not_yaml_either(tmp_path: Path) -> None:
    assert "is not YAML" in problems(tmp_path, "[" * 5_000)[0][2]


def test_aliases_are_read_once(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 40)
    )

    assert problems(tmp_path, f"apiVersion: vaultferry.dev/v1alpha1\n{bomb}")


def test_merged_keys_are_not_there_twice(tmp_path: Path) -> None:
    base = f"x: &base\n  type: opaque\n  sealed: {{token: {TOKEN}}}\n---\n"
    again = GOOD.replace("  type: token\n", "  <<: {type: opaque}\n  type: token\n")

    assert problems(tmp_path, base + again) == []


def test_every_object_of_a_list_is_looked_at(tmp_path: Path) -> None:
    bad: Any = {
        "apiVersion": "vaultferry.dev/v1alpha1",
        "kind": "VaultSecret",
        "metadata": {"name": "db"},
        "spec": {"type": "token"},
    }
    other = {**bad, "metadata": {"name": "other"}}
    text = json.dumps({"kind": "List", "items": [bad, other]}, indent=1)

    found = problems(tmp_path, text)

    assert [line for line, *_ in found] == [10, 20]
    assert {field for _, field, _ in found} == {"spec"}


def test_objects_of_other_kinds_are_passed_over(tmp_path: Path) -> None:
    result = run("check", write(tmp_path, f"kind: Secret\na: {CANARY}\n--- 7\n---\n"))

    assert result.exit_code == 0
    assert result.stderr.startswith("0 resources in 1 files")


def test_a_folder_is_searched_for_manifests(tmp_path: Path) -> None:
    for name in ("b.json", "sub/a.yml", "a.yaml", "notes.txt"):
        own = GOOD.replace("name: db", f"name: {Path(name).name}")
        write(tmp_path, own.replace("token:", "tokens:"), name)

    said = json.loads(run("check", str(tmp_path), "-o", "json").stdout)

    assert said["files"] == 3
    assert [Path(p["file"]).name for p in said["problems"]] == [
        "a.yaml",
        "b.json",
        "a.yml",
    ]


def table(folder: Path) -> Result:
    return run("check", write(folder, GOOD.replace(TOKEN, CANARY)))


def test_people_are_shown_a_table(tmp_path: Path) -> None:
    result = table(tmp_path)

    head, row = result.stdout.splitlines()
    assert head.split("  ")[0] == "WHERE"
    assert row.startswith(f"{tmp_path}/a.yaml:7  spec.sealed  holds something that")
    assert result.stderr == "1 resources in 1 files: 1 problems\n"


def test_stdin_is_a_file_too() -> None:
    result = run("check", "-", stdin=GOOD.encode())

    assert result.exit_code == 0


def test_what_would_steer_a_terminal_is_not_printed(tmp_path: Path) -> None:
    # Not a colour, which click itself leaves out where there is no terminal.
    text = GOOD.replace("  sealed:", '  "\\asealed":')

    shown = run("check", write(tmp_path, text)).stdout

    assert "spec.\N{REPLACEMENT CHARACTER}sealed" in shown


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    assert refusal("check", str(tmp_path / "no.yaml")).endswith(
        "no.yaml cannot be read: No such file or directory"
    )
    (tmp_path / "a.yaml").write_bytes(b"\xff")
    assert refusal("check", str(tmp_path / "a.yaml")).endswith("it is not UTF-8")


def test_what_two_manifests_claim_is_told_with_the_other_place(tmp_path: Path) -> None:
    target = "type: token\n  target:\n    name: db"
    other = GOOD.replace("name: db", "name: other").replace("type: token", target)
    first = write(tmp_path, GOOD)
    write(tmp_path, f"{GOOD}---\n{other}", "b.yaml")

    said = json.loads(run("check", str(tmp_path), "-o", "json").stdout)

    assert [(p["line"], p["field"], p["message"]) for p in said["problems"]] == [
        (4, "metadata.name", f"is that of {first}:1: write another name"),
        (
            17,
            "spec.target.name",
            f"is a Secret that {first}:1 makes: write another spec.target.name",
        ),
    ]


def test_other_namespaces_and_merging_claim_nothing_of_each_other(
    tmp_path: Path,
) -> None:
    elsewhere = GOOD.replace("name: db", "name: db\n  namespace: other")
    target = "type: token\n  target: {name: db, creationPolicy: Merge}"
    merging = GOOD.replace("name: db", "name: more").replace("type: token", target)

    assert problems(tmp_path, f"{GOOD}---\n{elsewhere}---\n{merging}") == []


def test_without_what_evaluates_the_rules_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "vaultferry.admission", raising=False)
    monkeypatch.setitem(sys.modules, "celpy", None)

    line = refusal("check", write(tmp_path, GOOD))

    assert line == (
        "cel-python is not installed, which evaluates the rules of the CRD: "
        "pip install 'vaultferry[check]'"
    )
    assert "Check manifests" in run("check", "--help").stdout


WAY = """\
apiVersion: vaultferry.dev/v1alpha1
kind: VaultConnection
metadata:
  name: doppler
spec:
  doppler:
    project: shop
    config: prd
    tokenSecretRef:
      name: doppler-token
"""


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("", "", None),
        (
            "    project: shop\n",
            "",
            (6, "spec.doppler.project", "is missing: write it"),
        ),
        ("project: shop", "projekt: shop", (7, "spec.doppler.projekt", "is no field")),
        ("  doppler:", "  vault9:", (6, "spec.vault9", "is no field here")),
    ],
    ids=["good", "a field is missing", "misspelt", "no vault"],
)
def test_a_connection_is_checked_as_well(
    old: str, new: str, problem: tuple[int, str, str] | None, tmp_path: Path
) -> None:
    found = problems(tmp_path, WAY.replace(old, new) if old else WAY)

    if problem is None:
        assert found == []
    else:
        line, field, words = problem
        assert (line, field) in {(place, name) for place, name, _ in found}
        assert any(words in said for _, _, said in found)
