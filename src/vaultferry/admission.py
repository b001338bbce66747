"""What the API server would say to a resource: the schema and rules of its CRD."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import celpy
from celpy import celtypes
from celpy.adapter import json_to_cel
from celpy.evaluation import CELEvalError, CELFunction

from vaultferry import crds
from vaultferry.core import vaultconnection
from vaultferry.core.schema import Fault, Path, Schema, faults

_RULES = "x-kubernetes-validations"


def refused(body: Mapping[str, Any]) -> list[Fault]:
    """Return why the API server would refuse to create a resource.

    Unlike it, fields that are not known are faults as well: it drops them, and strict
    clients refuse them. Metadata and status are not looked at.
    """
    schema = _schema(str(body.get("kind")))
    checked = {k: v for k, v in body.items() if k not in {"metadata", "status"}}
    found = list(faults(schema, checked))
    if any(fault.blocks for fault in found):
        return found
    return [*found, *_broken(schema, checked, ())]


@cache
def _schema(kind: str) -> Schema:
    is_way = kind == vaultconnection.KIND
    definition = crds.vaultconnections() if is_way else crds.vaultsecrets()
    [version] = definition["spec"]["versions"]
    schema: Schema = version["schema"]["openAPIV3Schema"]
    return schema


def _broken(schema: Schema, value: Any, path: Path) -> Iterator[Fault]:
    """Yield the rules that a value breaks which fits the schema, and all in it.

    Rules that compare with what was before say nothing about what is new.
    """
    rules = [r for r in schema.get(_RULES, ()) if "oldSelf" not in r["rule"]]
    itself = json_to_cel(value) if rules else None
    for rule in rules:
        if not _holds(rule["rule"], itself):
            yield Fault(path, _message(rule, itself))
    for name, inner in schema.get("properties", {}).items():
        if name in value:
            yield from _broken(inner, value[name], (*path, name))


def _message(rule: Mapping[str, str], itself: Any) -> str:
    if "message" in rule:
        return rule["message"]
    return str(_program(rule["messageExpression"]).evaluate({"self": itself}))


def _holds(rule: str, itself: Any) -> bool:
    try:
        return bool(_program(rule).evaluate({"self": itself}))
    except CELEvalError:
        return False


@cache
def _program(rule: str) -> celpy.Runner:
    environment = celpy.Environment()
    return environment.program(environment.compile(rule), functions=_FUNCTIONS)


def _sum(sizes: list[int]) -> celtypes.IntType:
    return celtypes.IntType(sum(sizes))


def _split(text: celtypes.StringType, by: celtypes.StringType) -> celtypes.ListType:
    return celtypes.ListType(map(celtypes.StringType, text.split(by)))


# What Kubernetes adds to the language, as far as our rules use it.
_FUNCTIONS: dict[str, CELFunction] = {"sum": _sum, "split": _split}
