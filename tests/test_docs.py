"""The documentation says what the code does."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml
from prometheus_client import Metric

from tests.keyrings import keyring
from vaultferry.apiserver.server import ApiServer
from vaultferry.cli import COMMANDS, main
from vaultferry.core.vaultsecret import Spec, Status, Target, VaultSecret
from vaultferry.operator.app import Operator
from vaultferry.operator.settings import Settings
from vaultferry.webhook.metrics import Metrics

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md")]
)


def _text(name: str) -> str:
    return (ROOT / name).read_text()


def _links() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            if "://" not in target:
                yield page, target


@pytest.mark.parametrize(
    ("page", "target"),
    list(_links()),
    ids=lambda value: str(getattr(value, "name", value)),
)
def test_a_link_leads_to_a_page_that_is_there(page: Path, target: str) -> None:
    assert (page.parent / target).exists()


@pytest.mark.parametrize("model", [Spec, Status], ids=lambda model: model.__name__)
def test_every_field_of_the_kind_is_on_its_page(model: type[Spec | Status]) -> None:
    names = {field.alias for field in model.model_fields.values()} - {"target"}

    missing = {
        name for name in names if f"`{name}`" not in _text("docs/vaultsecret.md")
    }

    assert missing == set()


def test_every_field_of_the_target_is_on_the_page_of_the_kind() -> None:
    names = {f"`target.{field.alias}`" for field in Target.model_fields.values()}

    missing = {name for name in names if name not in _text("docs/vaultsecret.md")}

    assert missing == set()


PAGE_OF = dict.fromkeys(COMMANDS, "docs/cli.md") | {
    "public-key": "docs/sealing.md",
    "reseal": "docs/keys.md",
    "rotate": "docs/keys.md",
    "run": "docs/install.md",
    "seal": "docs/sealing.md",
    "webhook": "docs/webhook.md",
    "webhook-configuration": "docs/webhook.md",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_on_the_page_of_the_command(command: str) -> None:
    rows = re.findall(r"^\| (`.*`) \|", _text("docs/cli.md"), re.MULTILINE)

    named = {name for row in rows for name in re.findall(r"`([a-z-]+)", row)}
    assert command in named


@pytest.mark.parametrize(("command", "page"), [*PAGE_OF.items()])
def test_every_option_of_a_command_is_on_its_page(command: str, page: str) -> None:
    group = main.get_command(click.Context(main), command)
    assert group is not None
    options = {name for p in group.params for name in p.opts if name.startswith("--")}

    missing = {name for name in options if name not in _text(page)}

    assert missing == set()


def test_the_page_of_the_metrics_has_each_with_its_labels_and_no_other() -> None:
    operator = Operator(Settings(keyring()), ApiServer("http://127.0.0.1:9"))
    operator.metrics.reconciled("nothing", 0.0)
    operator.metrics.called("GET", "200")
    operator.metrics.restarted("secrets", "ended")
    operator.metrics.lease_failed("Stale")
    operator.metrics.fetched("changed")
    operator.metrics.pushed("taken")
    operator.metrics.stream_ended("ended")

    there = {_signature(family) for family in operator.metrics.registry.collect()}

    page = _text("docs/metrics.md").partition("## All of them")[2]
    assert _rows(page.partition("## Those of the webhook")[0]) == sorted(there)


def test_the_page_has_each_metric_of_the_webhook() -> None:
    metrics = Metrics()
    metrics.answered("sealed")
    metrics.expiry(lambda: 0.0)

    there = {_signature(family) for family in metrics.registry.collect()}

    page = _text("docs/metrics.md").partition("## Those of the webhook")[2]
    both = {"vaultferry_api_requests_total", "vaultferry_build_info{version}"}
    assert _rows(page) == sorted(there - both)


def _rows(page: str) -> list[str]:
    return sorted(re.findall(r"^\| `(vaultferry_[^`]+)` \|", page, re.MULTILINE))


def _signature(family: Metric) -> str:
    """Return the name of a metric as it is scraped, and its labels."""
    suffix = "_total" if family.type == "counter" else ""
    suffix = "_info" if family.type == "info" else suffix
    labels = sorted({name for s in family.samples for name in s.labels} - {"le"})
    return f"{family.name}{suffix}" + (f"{{{','.join(labels)}}}" if labels else "")


def test_the_example_of_the_kind_is_one() -> None:
    block, _ = re.findall(r"```yaml\n(.*?)```", _text("docs/vaultsecret.md"), re.DOTALL)
    body = yaml.safe_load(block)
    body["metadata"] |= {"uid": "u", "resourceVersion": "1"}

    spec = VaultSecret.parse(body).spec

    assert spec.type == "password"
    assert set(spec.sealed or {}) == {"username", "password"}


def test_every_make_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", _text("Makefile"), re.MULTILINE))
    fenced = "\n".join(page.read_text() for page in PAGES)

    named = set(re.findall(r"`make ([a-z]+)`|\$ make ([a-z]+)", fenced))

    assert {first or second for first, second in named} <= targets
