"""`vaultferry check`: would the API server and the operator take these manifests."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from pathlib import Path as File
from typing import Any

import click

from vaultferry import secrettypes
from vaultferry.cli import output
from vaultferry.cli.claims import Claims
from vaultferry.cli.documents import Document, NotYaml, read
from vaultferry.cli.refusal import Refused
from vaultferry.core import template, vaultconnection
from vaultferry.core.desired import check_metadata
from vaultferry.core.errors import Failure
from vaultferry.core.metadata import DEFAULT_PREFIXES
from vaultferry.core.model import GROUP, VERSION, is_name
from vaultferry.core.opened import Opened
from vaultferry.core.schema import Fault, Path
from vaultferry.core.sealing import Token
from vaultferry.core.vaultsecret import KIND, Spec, VaultSecret

Rules = Callable[[Any], list[Fault]]
"""Returns why the API server would refuse an object."""

_SUFFIXES = {".yaml", ".yml", ".json"}
_FOUND = 1


@dataclass(frozen=True)
class Problem:
    """What is wrong, where, and what to write."""

    file: str
    line: int
    field: str
    message: str


@dataclass
class Report:
    """What was looked at, and what was found."""

    files: int
    resources: int
    problems: list[Problem]


@dataclass(frozen=True)
class Checker:
    """What is the same for all files."""

    prefixes: tuple[str, ...]
    claims: Claims
    rules: Rules

    def problems(self, document: Document, file: File) -> Iterator[Problem]:
        """Yield what is wrong with an object."""
        place = f"{file}:{document.line(())}"
        for line, name in document.doubles:
            yield Problem(str(file), line, name, "is there twice: write it once")
        for fault in (
            *_faults(document.body, self.prefixes, self.rules),
            *self.claims.contested(document.body, place),
        ):
            line, field = document.line(fault.path), ".".join(map(str, fault.path))
            yield Problem(str(file), line, field, fault.message)


@click.command(params=[output.parameter()])
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=File))
@click.option(
    "--metadata-prefix",
    "prefixes",
    multiple=True,
    default=DEFAULT_PREFIXES,
    show_default=True,
    help="As the operator has it: a prefix allowed in labels and annotations.",
)
def check(files: tuple[File, ...], prefixes: tuple[str, ...], output_as: str) -> None:
    """Check manifests as the API server and the operator will, without either.

    FILES are YAML or JSON; of a folder all that end in .yaml, .yml or .json are
    read, and - is stdin. Objects of other kinds are passed over. Exits with 1 where
    something is wrong.
    """
    report = Report(0, 0, [])
    checker = Checker(prefixes, Claims(), _rules())
    for file in _expanded(files):
        _check_file(report, file, checker)
    if output_as == "json":
        click.echo(json.dumps(asdict(report), indent=2))
    else:
        _print(report)
    if report.problems:
        raise SystemExit(_FOUND)


def _rules() -> Rules:
    """Return the rules of the CRD; what evaluates them is no part of the operator.

    Raises:
        Refused: it is not installed.
    """
    try:
        rules: Rules = import_module("vaultferry.admission").refused
    except ModuleNotFoundError:
        raise Refused(
            "cel-python is not installed, which evaluates the rules of the CRD: "
            "pip install 'vaultferry[check]'"
        ) from None
    return rules


def _expanded(files: Iterable[File]) -> Iterator[File]:
    for file in files:
        if file.is_dir():
            inner = (f for f in file.rglob("*") if f.suffix in _SUFFIXES)
            yield from sorted(f for f in inner if f.is_file())
        else:
            yield file


def _check_file(report: Report, file: File, checker: Checker) -> None:
    report.files += 1
    try:
        documents = read(_text(file))
    except NotYaml as error:
        words = "is not YAML from here on: see to indentation, quotes and colons"
        report.problems.append(Problem(str(file), error.line, "", words))
        return
    ours = [document for document in documents if _is_ours(document.body)]
    report.resources += len(ours)
    # Some are found by more than one rule, those of a list by each of its objects.
    found = dict.fromkeys(p for each in ours for p in checker.problems(each, file))
    report.problems += sorted(found, key=lambda problem: problem.line)


def _text(file: File) -> str:
    try:
        if str(file) == "-":
            return sys.stdin.buffer.read().decode()
        return file.read_text(encoding="utf-8")
    except OSError as error:
        why = error.strerror or "no file"
    except ValueError:
        why = "it is not UTF-8"
    raise Refused(f"{file} cannot be read: {why}")


def _is_ours(body: Any) -> bool:
    return isinstance(body, dict) and str(body.get("apiVersion")).startswith(GROUP)


def _faults(body: Any, prefixes: tuple[str, ...], rules: Rules) -> Iterator[Fault]:
    if body.get("apiVersion") != f"{GROUP}/{VERSION}":
        yield Fault(("apiVersion",), f"is not known: write {GROUP}/{VERSION}")
    kind = body.get("kind")
    if kind not in {KIND, vaultconnection.KIND}:
        known = f"{KIND} or {vaultconnection.KIND}"
        yield Fault(("kind",), f"is not known: write {known}")
        return
    yield from _of_metadata(body.get("metadata"))
    refused = rules(body)
    yield from refused
    if not refused and kind == KIND:
        yield from _of_spec(body, prefixes)


def _of_metadata(metadata: Any) -> Iterator[Fault]:
    known = metadata if isinstance(metadata, dict) else {}
    name, namespace = known.get("name"), known.get("namespace", "any")
    if not isinstance(namespace, str) or not is_name(namespace) or "." in namespace:
        yield Fault(
            ("metadata", "namespace"),
            "is no namespace: write lower-case letters, digits and -, at most 63",
        )
    if not isinstance(name, str) or not is_name(name):
        yield Fault(
            ("metadata", "name"),
            "is no name: write lower-case letters, digits, - and ., at most 253",
        )


def _of_spec(body: Any, prefixes: tuple[str, ...]) -> Iterator[Fault]:
    """Yield what the operator would refuse in a spec that the API server takes."""
    seen = {"namespace": "", "name": "", "uid": "", "resourceVersion": ""}
    spec = VaultSecret.parse({"metadata": seen, "spec": body["spec"]}).spec
    checks: list[tuple[Path, Callable[[], object]]] = [
        (("spec", "target"), partial(check_metadata, spec, prefixes)),
        (("spec", "target", "template"), partial(_render, spec)),
        *(
            (("spec", "sealed", field), partial(Token.parse, token, field))
            for field, token in (spec.sealed or {}).items()
        ),
    ]
    for path, passes in checks:
        try:
            passes()
        except Failure as failure:
            yield Fault(path, str(failure))


def _render(spec: Spec) -> None:
    """Render the templates with something for each value."""
    values = dict.fromkeys(spec.sealed or {}, b"x")
    kind = secrettypes.load(spec.type)
    template.render(spec.target.template, Opened(kind, values, spec.location))


def _print(report: Report) -> None:
    rows = [
        (f"{p.file}:{p.line}", output.plain(p.field), output.plain(p.message))
        for p in report.problems
    ]
    output.table(("WHERE", "FIELD", "WHAT TO WRITE"), rows)
    counts = f"{report.resources} resources in {report.files} files"
    found = f"{len(rows)} problems" if rows else "no problem"
    output.say(f"{counts}: {found}", good=not rows)
