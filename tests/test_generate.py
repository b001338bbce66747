"""The generated files, and what keeps them current."""

from pathlib import Path

import pytest

from vaultferry import generate

ROOT = Path(__file__).parents[1]


def test_the_generated_files_are_byte_for_byte_what_the_code_gives() -> None:
    there = {path: (ROOT / path).read_text() for path in generate.rendered()}

    assert there == generate.rendered()


def test_nothing_else_lies_in_the_folder_of_crds() -> None:
    there = {f"crds/{path.name}" for path in (ROOT / "crds").iterdir()}

    assert there <= set(generate.rendered())


def test_writing_and_checking_agree(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in generate.rendered():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("old")

    before = generate.main(["--check", str(tmp_path)])
    written = generate.main([str(tmp_path)])

    assert (before, written, generate.main(["--check", str(tmp_path)])) == (1, 0, 0)
    assert "not current: crds/vaultconnections.yaml" in capsys.readouterr().err


def test_a_missing_file_is_not_current(tmp_path: Path) -> None:
    assert generate.outdated(tmp_path) == list(generate.rendered())
