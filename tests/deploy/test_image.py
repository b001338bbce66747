"""The image, as far as it shows without Docker."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from vaultferry.cli import main

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text().replace("\\\n", " ")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BUILD, FINAL = re.split(r"^FROM .*$", DOCKERFILE, flags=re.MULTILINE)[1:]
EXTRAS = ("onepassword",)
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))

Pins = dict[str, tuple[str, frozenset[str]]]


def instructions(name: str) -> list[list[str]]:
    """Return the words of each instruction of that name."""
    lines = (line.split() for line in DOCKERFILE.splitlines())
    return [words[1:] for words in lines if words and words[0] == name]


def pins(path: Path) -> Pins:
    """Return version and hashes by package."""
    text = path.read_text().replace("\\\n", " ")
    found = re.findall(r"^([\w.\-]+)==(\S+)(.*)", text, re.MULTILINE)
    return {
        name: (version, frozenset(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", rest)))
        for name, version, rest in found
    }


def normalised(requirement: str) -> str:
    name = re.split(r"[^\w.\-]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def steps() -> Iterator[tuple[str, set[str]]]:
    """Yield each RUN of the build stage with the files that were copied before it."""
    there: set[str] = set()
    for line in BUILD.splitlines():
        name, _, rest = line.partition(" ")
        if name == "COPY":
            *sources, target = rest.split()
            there |= {_lands(source, target, path) for source, path in _files(sources)}
        if name == "RUN":
            yield rest, set(there)


def _files(sources: list[str]) -> Iterator[tuple[str, Path]]:
    for source in sources:
        found = ROOT / source
        assert found.exists(), f"{source} is copied and does not exist"
        inside = found.rglob("*") if found.is_dir() else [found]
        yield from ((source, path.relative_to(ROOT)) for path in inside)


def _lands(source: str, target: str, path: Path) -> str:
    """Return where a file lands: COPY takes what is in a folder, not the folder."""
    is_folder = (ROOT / source).is_dir()
    below = path.relative_to(source) if is_folder else Path(path.name)
    return (Path(target) / below).as_posix()


def test_what_is_read_while_building_was_copied_there_before() -> None:
    read = [(path, there) for run, there in steps() for path in _read(run)]

    assert len(read) >= 3
    assert [path for path, there in read if path not in there] == []


def _read(run: str) -> Iterator[str]:
    for extra in sorted(EXTRAS):
        yield from re.findall(r"-r ([^\s;]+)", run.replace("$EXTRA", extra))
    if "pip wheel" in run:
        yield from ("pyproject.toml", PROJECT["readme"], *PROJECT["license-files"])
        yield "src/vaultferry/__init__.py"


def test_what_is_copied_is_not_kept_out() -> None:
    kept_out = set((ROOT / ".dockerignore").read_text().split())
    sources = {s for words in instructions("COPY") for s in words[:-1]}

    assert not kept_out & sources


def test_only_pinned_packages_are_installed() -> None:
    commands = [c for run, _ in steps() for c in run.split("&&") if "/pip " in c]
    safe = ("--require-hashes -r requirements/", "--no-index", "--no-build-isolation")

    assert commands
    assert [c for c in commands if not any(flags in c for flags in safe)] == []


def test_the_image_holds_only_what_runs() -> None:
    runs = [run for run, _ in steps()]

    assert any("/opt/vaultferry/bin/pip install" in run for run in runs)
    assert re.findall(r"^COPY (.*)$", FINAL, re.MULTILINE) == [
        "--from=build /opt/vaultferry /opt/vaultferry"
    ]


def test_it_runs_as_the_user_of_the_pod() -> None:
    pod = yaml.safe_load((ROOT / "deploy" / "base" / "deployment.yaml").read_text())
    security = pod["spec"]["template"]["spec"]["securityContext"]
    user = f"{security['runAsUser']}:{security['runAsGroup']}"

    assert instructions("USER") == [[user]]
    assert security["runAsNonRoot"] is True


def test_images_have_a_version_that_is_not_latest() -> None:
    pod = yaml.safe_load((ROOT / "deploy" / "base" / "deployment.yaml").read_text())
    [container] = pod["spec"]["template"]["spec"]["containers"]
    images = [words[0] for words in instructions("FROM")] + [container["image"]]

    assert container["image"] == f"vaultferry:{PROJECT['version']}"
    assert [i for i in images if ":" not in i or i.endswith(":latest")] == []


def test_python_is_as_new_as_the_package_needs() -> None:
    needed = PROJECT["requires-python"].removeprefix(">=")
    versions = {words[0] for words in instructions("FROM")}

    assert versions == {f"python:{needed}-slim"}


def test_its_command_is_there() -> None:
    [entry], [command] = instructions("ENTRYPOINT"), instructions("CMD")
    script = yaml.safe_load(" ".join(entry))
    arguments = yaml.safe_load(" ".join(command))

    done = CliRunner().invoke(main, [*arguments, "--help"])

    assert script[0] in PROJECT["scripts"]
    assert done.exit_code == 0
    assert "Run the operator" in done.output


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_each_pin_has_hashes_and_no_lock_names_an_index(path: Path) -> None:
    assert "://" not in path.read_text()
    assert not re.search(
        r"^\s*(-i|--index|--extra|--find)", path.read_text(), re.MULTILINE
    )
    assert pins(path)
    assert [name for name, (_, hashes) in pins(path).items() if not hashes] == []


def test_what_runs_is_what_was_tested() -> None:
    run, dev = (pins(ROOT / "requirements" / f"{name}.lock") for name in ("run", "dev"))

    assert run.items() <= dev.items()


def test_every_dependency_is_locked() -> None:
    locked = {normalised(name) for name in pins(ROOT / "requirements" / "run.lock")}

    assert {normalised(name) for name in PROJECT["dependencies"]} <= locked


CHECK = [normalised(name) for name in PROJECT["optional-dependencies"]["check"]]


def test_what_only_check_needs_is_tested_and_not_in_the_image() -> None:
    run, dev = (pins(ROOT / "requirements" / f"{name}.lock") for name in ("run", "dev"))

    assert CHECK == ["cel-python"]
    assert set(CHECK) <= dev.keys()
    assert not {*CHECK, "lark", "google-re2", "pendulum", "jmespath"} & run.keys()


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_of_the_image_is_tested_and_not_there_by_itself(extra: str) -> None:
    run, dev, more = (
        pins(ROOT / "requirements" / f"{name}.lock") for name in ("run", "dev", extra)
    )

    assert more.items() <= dev.items()
    assert not more.keys() & run.keys()
    needed = PROJECT["optional-dependencies"][extra]
    assert [f"{name}=={version}" for name, (version, _) in more.items()] == needed


def test_every_command_can_be_loaded_without_it() -> None:
    """As in the image: `check` then says what to install."""
    script = (
        "import sys; sys.modules['celpy'] = None\n"
        "from importlib import import_module\n"
        "from vaultferry.cli import COMMANDS\n"
        "for module, _ in COMMANDS.values(): import_module(module)\n"
    )

    subprocess.run([sys.executable, "-c", script], check=True)
