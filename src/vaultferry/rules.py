"""The CEL rules of VaultSecret: what the API server refuses, and what it answers.

Rules stand on objects and maps, never on a value: the API server quotes the value of
a scalar that breaks a rule. They look at keys and prefixes only, because a regular
expression over all tokens is far over the cost that Kubernetes allows.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from vaultferry.core import resealing
from vaultferry.core.admission import OTHER_SOURCES
from vaultferry.core.kubernetestype import REQUIRED
from vaultferry.core.location import ENDPOINT, SETTINGS
from vaultferry.core.secrettype import Fields, SecretType
from vaultferry.core.vaultsecret import MAX_SEALED

Rule = dict[str, str]


def _list(names: tuple[str, ...]) -> str:
    return "[" + ", ".join(f"'{name}'" for name in names) + "]"


_TYPES = _list(("Opaque", *REQUIRED))

_LEGAL_KEYS = (
    "self.all(k, size(k) <= 253 && k.matches('^[-._a-zA-Z0-9]+$')"
    " && k != '.' && !k.startsWith('..'))"
)

_MERGES = "has({0}.creationPolicy) && {0}.creationPolicy == 'Merge'"

_ELSEWHERE = " || ".join(f"has(object.spec.{source})" for source in OTHER_SOURCES)

# What is stored with that annotation is as if it were not there: no update but a
# dry-run is brought to the webhook by it.
_RESEALS = (
    "has(request.dryRun) && request.dryRun && has(object.metadata.annotations) && "
    f"'{resealing.ANNOTATION}' in object.metadata.annotations"
)

NEEDS_SEALING = (
    "has(object.spec) && (has(object.spec.credentials) || "
    f"has(object.spec.sealed) && ({_ELSEWHERE} || {_RESEALS}))"
)
"""Whether the sealing webhook has something to do with a VaultSecret."""

SEALED: tuple[Rule, ...] = (
    {
        "rule": "self.all(k, self[k].startsWith('vf1.'))",
        "message": "holds something that is no token: every value under sealed starts "
        "with vf1. and is made by `vaultferry seal`",
    },
    {
        "rule": _LEGAL_KEYS,
        "message": "has a field that is no legal key of a Secret: use letters, digits, "
        "-, _ and . (at most 253, not beginning with ..)",
    },
    {
        "rule": f"self.map(k, size(self[k])).sum() <= {MAX_SEALED}",
        "message": f"holds more than {MAX_SEALED} characters in all: split the "
        "credential over several VaultSecrets",
    },
)

LOCATION: tuple[Rule, ...] = (
    {
        "rule": f"!has(self.endpoint) || self.endpoint.matches('{ENDPOINT}')",
        "message": "has an endpoint that is no address: write https://host or "
        "https://host:port, without a user, a password or a query",
    },
)

TEMPLATE: tuple[Rule, ...] = (
    {
        "rule": _LEGAL_KEYS,
        "message": "has a name that is no legal key of a Secret: use letters, digits, "
        "-, _ and . (at most 253, not beginning with ..)",
    },
)

TARGET: tuple[Rule, ...] = (
    {
        "rule": "!has(self.formats) || size(self.formats) > 0 || "
        "has(self.template) && size(self.template) > 0",
        "message": "has neither formats nor a template: name a format such as fields",
    },
    {
        "rule": f"!has(self.type) || self.type in {_TYPES}"
        " || (self.type.contains('/')"
        " && !self.type.split('/')[0].endsWith('kubernetes.io')"
        " && !self.type.split('/')[0].endsWith('k8s.io')"
        " && !self.type.startsWith('helm.sh/'))",
        "message": f"type is refused: use Opaque, {', '.join(REQUIRED)}, or a type of "
        "your own such as example.com/credential",
    },
    {
        "rule": f"!({_MERGES.format('self')}) || !has(self.type) && "
        "(!has(self.labels) || size(self.labels) == 0) && "
        "(!has(self.annotations) || size(self.annotations) == 0)",
        "message": "has creationPolicy Merge, so type, labels and annotations are "
        "those of the Secret that is there: leave them out",
    },
)


def spec(
    types: tuple[SecretType, ...], formats: Mapping[str, tuple[str, ...]]
) -> tuple[Rule, ...]:
    """Return the rules on `spec`, those of every type and format included.

    Args:
        types: every type.
        formats: the names of the types that each format takes.
    """
    return (
        *_SOURCE,
        _keys(),
        *_of_types(types),
        _of_formats(types, formats),
    )


def resource(types: tuple[SecretType, ...]) -> tuple[Rule, ...]:
    """Return the rules on the whole resource: what may not change.

    That is one rule: see `_of_types`. With a target as it was, it ends there.
    """
    named, typed, merges = (
        f"({of('self')}) == ({of('oldSelf')})"
        for of in (_target_name, partial(_target_type, types=types), _merges)
    )
    same_type = "self.spec.type == oldSelf.spec.type"
    return (
        {
            "rule": f"{same_type} && ((has(self.spec.target) ? "
            "has(oldSelf.spec.target) && self.spec.target == oldSelf.spec.target : "
            f"!has(oldSelf.spec.target)) || {named} && {typed} && {merges})",
            "messageExpression": f"(!({same_type}) ? 'spec.type cannot change' : "
            f"!({named}) ? 'spec.target.name cannot change' : "
            f"!({typed}) ? 'spec.target.type cannot change' : "
            "'spec.target.creationPolicy cannot change to or from Merge') + "
            "': make a new VaultSecret'",
        },
        {
            "rule": "!has(self.spec.secretRef) || "
            f"self.spec.secretRef.name != {_target_name('self')}",
            "message": "spec.secretRef names the Secret that is to be made: name "
            "another one, or give spec.target another name",
        },
    )


def connection(vaults: Iterable[str]) -> tuple[Rule, ...]:
    """Return the rules on the spec of a VaultConnection.

    Args:
        vaults: the sections of a spec that are of one kind of vault each.
    """
    names = tuple(vaults)
    there = ", ".join(f"has(self.{name})" for name in names)
    return (
        {
            "rule": f"[{there}].filter(there, there).size() == 1",
            "message": f"names no vault, or several: write one of {', '.join(names)}",
        },
    )


REQUIREMENT: tuple[Rule, ...] = (
    {
        "rule": "(self.operator in ['In', 'NotIn']) == "
        "(has(self.values) && size(self.values) > 0)",
        "message": "has no values for In or NotIn, or has some for Exists or "
        "DoesNotExist, which take none",
    },
)

_NO_SOURCE = (
    "has no source for the values: run `vaultferry seal` and put the tokens under "
    "spec.sealed, name a Secret in spec.secretRef, or a VaultConnection in "
    "spec.connectionRef"
)
_TWO_SOURCES = (
    "has two sources for the values: keep one of spec.sealed, spec.secretRef and "
    "spec.connectionRef, and leave the others out; where the manifest has one alone, "
    "`kubectl replace -f FILE` takes away the one from before"
)
_PLAINTEXT = (
    "spec.credentials is plaintext and nothing here seals it: run `vaultferry seal` "
    "and put the tokens under spec.sealed"
)

_SOURCE: tuple[Rule, ...] = (
    {
        "rule": "!has(self.credentials) && (has(self.connectionRef) ? "
        "!has(self.sealed) && !has(self.secretRef) : "
        "has(self.sealed) != has(self.secretRef))",
        "messageExpression": f"has(self.credentials) ? '{_PLAINTEXT}' : "
        "has(self.sealed) || has(self.secretRef) || has(self.connectionRef) ? "
        f"'{_TWO_SOURCES}' : '{_NO_SOURCE}'",
    },
    {
        "rule": "has(self.connectionRef) == (has(self.fieldMappings) && "
        "size(self.fieldMappings) > 0 || has(self.fieldsFrom) && "
        "size(self.fieldsFrom) > 0)",
        "message": "spec.connectionRef goes with spec.fieldMappings, which say where "
        "in the vault each field is, or for type opaque with spec.fieldsFrom",
    },
    {
        "rule": "!has(self.fieldsFrom) || size(self.fieldsFrom) == 0 || "
        "self.type == 'opaque'",
        "message": "spec.fieldsFrom is for type opaque only: name each field in "
        "spec.fieldMappings",
    },
    {
        "rule": "!has(self.storeRef) || has(self.sealed) || has(self.credentials)",
        "message": "spec.storeRef goes with spec.sealed or spec.credentials: leave it "
        "out where the values come from elsewhere",
    },
    {
        "rule": "!has(self.refreshInterval) || "
        "duration(self.refreshInterval) == duration('0s') || "
        "duration(self.refreshInterval) >= duration('1m')",
        "message": "spec.refreshInterval is 0s for never, else at least 1m",
    },
)


def _keys() -> Rule:
    """Return the rule for the fields alone; formats and templates write other keys."""
    there, said = "true", "''"
    for name, keys in REQUIRED.items():
        word = " || " if keys.any else " && "
        needed = word.join(f"'{key}' in self.sealed" for key in keys.names)
        there = f"t == '{name}' ? ({needed}) : {there}"
        said = f"self.target.type == '{name}' ? ' {name} needs {keys}' : {said}"
    return {
        "rule": "!has(self.target) || !has(self.target.type) || !has(self.sealed) || "
        "has(self.target.template) || has(self.target.formats) && "
        "self.target.formats.exists(f, f != 'fields') || "
        f"[self.target.type].all(t, {there})",
        "messageExpression": f"'spec.target.type' + ({said}) + ' under spec.sealed, or "
        "from spec.target.formats or spec.target.template'",
    }


def _of_formats(
    types: tuple[SecretType, ...], formats: Mapping[str, tuple[str, ...]]
) -> Rule:
    """Return the rule for formats that are not for every type."""
    taken, said = "true", "''"
    for name, takers in formats.items():
        if len(takers) < len(types):
            taken = f"f == '{name}' ? self.type in {_list(takers)} : {taken}"
            said = f"f == '{name}' ? ' is for type {', '.join(takers)}' : {said}"
    return {
        "rule": "!has(self.target) || !has(self.target.formats) || "
        f"self.target.formats.all(f, {taken})",
        "messageExpression": f"self.target.formats.filter(f, !({taken})).map(f, "
        f"'format ' + f + ({said}) + ' only: take it out of spec.target.formats')[0]",
    }


def _of_types(types: tuple[SecretType, ...]) -> Iterator[Rule]:
    """Yield a rule for each part of a spec that a type has a say in.

    One is for all types, because the API server evaluates every rule with every write,
    those of a status included, and each look at a field costs it.
    """
    yield {
        "rule": f"!has(self.authMethod) || {_holds(types, _takes_method)}",
        "messageExpression": f"'type ' + self.type + {_said(types, _says_methods)}",
    }
    for place, condition in (("sealed", _fits), ("fieldMappings", _maps)):
        yield {
            "rule": f"!has(self.{place}) || "
            f"{_holds(types, partial(_takes_fields, condition))}",
            "messageExpression": f"'spec.{place} of type ' + self.type + "
            f"{_said(types, _says_fields)}",
        }
    yield {
        "rule": f"!has(self.location) || {_holds(types, _takes_location)}",
        "messageExpression": f"'type ' + self.type + {_said(types, _says_location)}",
    }


_Of = Callable[[SecretType], str]


def _holds(types: tuple[SecretType, ...], condition: _Of) -> str:
    """Return an expression for what each type demands; it looks at the type once."""
    return f"[self.type].all(t, {_chosen(types, condition, 't')})"


def _said(types: tuple[SecretType, ...], words: _Of) -> str:
    return f"({_chosen(types, words, 'self.type')})"


def _chosen(types: tuple[SecretType, ...], of: _Of, name: str) -> str:
    """Return an expression that is another one for each type.

    Args:
        types: all of them.
        of: returns the expression of a type.
        name: what the type of a resource is called.
    """
    named: dict[str, list[str]] = {}
    for kind in types:
        named.setdefault(of(kind), []).append(kind.name)
    *others, last = named.items()
    chosen = last[0]
    for expression, names in others:
        chosen = f"{name} in {_list(tuple(names))} ? {expression} : {chosen}"
    return chosen


def _takes_method(kind: SecretType) -> str:
    taken = f"self.authMethod in {_list(tuple(kind.methods))}"
    return taken if kind.methods else "false"


def _says_methods(kind: SecretType) -> str:
    if not kind.methods:
        return "' takes no spec.authMethod: leave it out'"
    return f"' takes spec.authMethod {', '.join(kind.methods)}'"


def _takes_fields(condition: Callable[[Fields], str], kind: SecretType) -> str:
    return _by_method(kind, lambda _, fields: condition(fields)) or "true"


def _says_fields(kind: SecretType) -> str:
    several = len(kind.methods) > 1

    def words(method: str, fields: Fields) -> str:
        of = f" with {method}" if several else ""
        more = f", and may have {', '.join(fields.optional)}" if fields.optional else ""
        return f"'{of} takes exactly {', '.join(fields.required)}{more}'"

    return _by_method(kind, words) or "''"


def _by_method(kind: SecretType, of: Callable[[str, Fields], str]) -> str:
    """Return an expression that is another one for each method; the first is default.

    Nothing for a type without methods.
    """
    chosen = ""
    for method, fields in kind.methods.items():
        expression = of(method, fields)
        given = f"has(self.authMethod) && self.authMethod == '{method}'"
        chosen = f"({given} ? {expression} : {chosen})" if chosen else expression
    return chosen


def _takes_location(kind: SecretType) -> str:
    others = [name for name in SETTINGS if name not in kind.location]
    each = " && ".join(f"!has(self.location.{name})" for name in others)
    return each if kind.location else "false"


def _says_location(kind: SecretType) -> str:
    return f"' takes {kind.takes_location}'"


def _fits(fields: Fields) -> str:
    required = [f"'{name}' in self.sealed" for name in fields.required]
    known = f"self.sealed.all(k, k in {_list(fields.names)})"
    return f"({' && '.join([*required, known])})"


def _maps(fields: Fields) -> str:
    required = [
        f"self.fieldMappings.exists(m, m.fieldName == '{name}')"
        for name in fields.required
    ]
    known = f"self.fieldMappings.all(m, m.fieldName in {_list(fields.names)})"
    return f"({' && '.join([*required, known])})"


def _target_name(this: str) -> str:
    given = f"{this}.spec.target"
    return f"(has({given}) && has({given}.name) ? {given}.name : {this}.metadata.name)"


def _merges(this: str) -> str:
    return f"has({this}.spec.target) && {_MERGES.format(f'{this}.spec.target')}"


def _target_type(this: str, types: tuple[SecretType, ...]) -> str:
    given = f"{this}.spec.target"
    default = "'Opaque'"
    for kind in types:
        if kind.kubernetes_type != "Opaque":
            default = (
                f"({this}.spec.type == '{kind.name}' ? '{kind.kubernetes_type}' : "
                f"{default})"
            )
    return f"(has({given}) && has({given}.type) ? {given}.type : {default})"
