from pathlib import Path

import pytest

from vaultferry import plugins

PACKAGE = "made_up_plugins"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a package that can be imported."""
    package = tmp_path / f"{PACKAGE}_{tmp_path.name}"
    package.mkdir()
    for name in ("__init__", "one", "two", "_hidden"):
        (package / f"{name}.py").write_text(f"NAME = {name!r}\n")
    monkeypatch.syspath_prepend(tmp_path)
    return package


def test_the_modules_of_a_folder_are_its_entries(folder: Path) -> None:
    assert plugins.names(folder.name) == ("one", "two")


def test_an_entry_is_loaded_by_its_name(folder: Path) -> None:
    assert plugins.load(folder.name, "one").NAME == "one"


@pytest.mark.parametrize(
    "name", ["three", "_hidden", "__init__", "", "one.x", "..one", "os"]
)
def test_what_is_no_entry_is_never_imported(folder: Path, name: str) -> None:
    with pytest.raises(LookupError, match=r"has no .*: one, two"):
        plugins.load(folder.name, name)


def test_an_entry_that_is_broken_is_not_silent(folder: Path) -> None:
    (folder / "one.py").write_text("raise ImportError('broken')\n")

    with pytest.raises(ImportError, match="broken"):
        plugins.load(folder.name, "one")
