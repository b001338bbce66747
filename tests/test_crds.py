"""The CustomResourceDefinition, as a reader of the manifest sees it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).parents[1] / "crds"
PATH = FOLDER / "vaultsecrets.yaml"

Schema = dict[str, Any]
Node = tuple[str, Schema]

CRD: Any = yaml.safe_load(PATH.read_text())
VERSION = CRD["spec"]["versions"][0]
SCHEMA: Schema = VERSION["schema"]["openAPIV3Schema"]
SPEC: Schema = SCHEMA["properties"]["spec"]

LIMITS = {"string": "maxLength", "array": "maxItems"}
WITH_VALUES = ("sealed", "credentials")


def nodes(schema: Schema, path: str) -> Iterator[Node]:
    """Yield every schema inside a schema with its path, itself first."""
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from nodes(inner, f"{path}.{name}")
    for word in ("items", "additionalProperties"):
        if word in schema:
            yield from nodes(schema[word], f"{path}[]")


ALL = dict(nodes(SCHEMA, "resource"))
OF_SPEC = dict(nodes(SPEC, "spec"))
MAPS = {path: node for path, node in OF_SPEC.items() if "additionalProperties" in node}

everywhere = pytest.mark.parametrize(("path", "node"), ALL.items(), ids=ALL)
in_spec = pytest.mark.parametrize(("path", "node"), OF_SPEC.items(), ids=OF_SPEC)


@everywhere
def test_a_schema_is_structural(path: str, node: Schema) -> None:
    assert path
    assert node["type"] in {"object", "array", "string", "integer", "boolean"}
    assert not node.keys() & {"$ref", "$defs", "anyOf", "oneOf", "allOf", "title"}
    assert not {"properties", "additionalProperties"} <= node.keys()


@everywhere
def test_nothing_unknown_is_kept(path: str, node: Schema) -> None:
    assert path
    assert not [word for word in node if word.startswith("x-kubernetes-preserve")]


@in_spec
def test_everything_in_a_spec_has_a_limit(path: str, node: Schema) -> None:
    limit = LIMITS.get(node["type"])
    if "additionalProperties" in node:
        limit = "maxProperties"

    assert path
    assert limit is None or limit in node or "enum" in node


@pytest.mark.parametrize(("path", "node"), MAPS.items(), ids=MAPS)
def test_maps_are_atomic(path: str, node: Schema) -> None:
    assert path
    assert node["x-kubernetes-map-type"] == "atomic"


@pytest.mark.parametrize("field", WITH_VALUES)
def test_nothing_quotes_a_value(field: str) -> None:
    value = SPEC["properties"][field]["additionalProperties"]

    assert value.keys() <= {"type", "maxLength", "minLength"}


def test_rules_stand_on_no_scalar() -> None:
    ruled = [p for p, node in ALL.items() if "x-kubernetes-validations" in node]

    assert sorted(ruled) == [
        "resource",
        "resource.spec",
        "resource.spec.location",
        "resource.spec.sealed",
        "resource.spec.target",
        "resource.spec.target.template",
    ]


RULES = {
    rule.get("message") or rule["messageExpression"]: rule
    for node in ALL.values()
    for rule in node.get("x-kubernetes-validations", ())
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_rule_has_a_message_of_its_own_and_quotes_nothing(rule: Schema) -> None:
    if "message" in rule:
        assert rule.keys() == {"rule", "message"}
        assert "\n" not in rule["message"]
    else:
        # What such a message is made of are names from a list, or compared with it, or
        # with what they were.
        assert rule.keys() == {"rule", "messageExpression"}
        read = re.sub(r"has\([.\w]+\)", "", rule["messageExpression"])
        named = set(re.findall(r"self\.[.\w]+", read.replace("oldSelf", "self")))
        assert named <= {
            "self.spec.type",
            "self.spec.target.name",
            "self.spec.target.type",
            "self.metadata.name",
            "self.type",
            "self.authMethod",
            "self.target.type",
            "self.target.formats.filter",
        }


def test_limits_are_those_of_the_design() -> None:
    sealed = SPEC["properties"]["sealed"]
    credentials = SPEC["properties"]["credentials"]
    (total,) = [m for m in RULES if "characters in all" in m]

    assert (sealed["maxProperties"], credentials["maxProperties"]) == (64, 64)
    assert sealed["additionalProperties"]["maxLength"] == 48 * 1024
    assert credentials["additionalProperties"]["maxLength"] == 32 * 1024
    assert str(512 * 1024) in total


def test_a_column_never_shows_a_value() -> None:
    shown = [column["jsonPath"] for column in VERSION["additionalPrinterColumns"]]

    ours = [path for path in shown if not path.startswith(".metadata.")]
    assert not [p for p in shown if any(f".{field}" in p for field in WITH_VALUES)]
    assert not [p for p in ours if not p.startswith((".status.", ".spec.type"))]


def test_a_status_is_not_current_before_it_was_written() -> None:
    assert SCHEMA["properties"]["status"]["default"] == {"observedGeneration": -1}


@pytest.mark.parametrize("field", sorted(SPEC["properties"]))
def test_every_field_is_described(field: str) -> None:
    assert SPEC["properties"][field]["description"].endswith(".")


def test_names_are_those_of_the_design() -> None:
    names = CRD["spec"]["names"]

    assert CRD["metadata"]["name"] == "vaultsecrets.vaultferry.dev"
    assert (names["categories"], names["shortNames"]) == (["vaultferry"], ["vfs"])
    assert VERSION["subresources"] == {"status": {}}
