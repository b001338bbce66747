"""The CEL rules of VaultSecret: what the API server refuses, and what it answers.

Rules stand on objects and maps, never on a value: the API server quotes the value of
a scalar that breaks a rule. They look at keys and prefixes only, because a regular
expression over all tokens is far over the cost that Kubernetes allows.
"""

from collections.abc import Iterator

from vaultferry.core.secrettype import Fields, SecretType
from vaultferry.core.vaultsecret import MAX_SEALED

Rule = dict[str, str]

_MERGES = "has({0}.creationPolicy) && {0}.creationPolicy == 'Merge'"

SEALED: tuple[Rule, ...] = (
    {
        "rule": "self.all(k, self[k].startsWith('vf1.'))",
        "message": "holds something that is no token: every value under sealed starts "
        "with vf1. and is made by `vaultferry seal`",
    },
    {
        "rule": "self.all(k, size(k) <= 253 && k.matches('^[-._a-zA-Z0-9]+$')"
        " && k != '.' && !k.startsWith('..'))",
        "message": "has a field that is no legal key of a Secret: use letters, digits, "
        "-, _ and . (at most 253, not beginning with ..)",
    },
    {
        "rule": f"self.map(k, size(self[k])).sum() <= {MAX_SEALED}",
        "message": f"holds more than {MAX_SEALED} characters in all: split the "
        "credential over several VaultSecrets",
    },
)

TARGET: tuple[Rule, ...] = (
    {
        "rule": "!has(self.type) || self.type in ['Opaque', 'kubernetes.io/basic-auth']"
        " || (self.type.contains('/')"
        " && !self.type.split('/')[0].endsWith('kubernetes.io')"
        " && !self.type.split('/')[0].endsWith('k8s.io')"
        " && !self.type.startsWith('helm.sh/'))",
        "message": "type is refused: use Opaque, kubernetes.io/basic-auth, or a type "
        "of your own such as example.com/credential",
    },
    {
        "rule": f"!({_MERGES.format('self')}) || !has(self.type) && "
        "(!has(self.labels) || size(self.labels) == 0) && "
        "(!has(self.annotations) || size(self.annotations) == 0)",
        "message": "has creationPolicy Merge, so type, labels and annotations are "
        "those of the Secret that is there: leave them out",
    },
)


def spec(types: tuple[SecretType, ...]) -> tuple[Rule, ...]:
    """Return the rules on `spec`, those of every type included."""
    return (*_SOURCE, *(rule for kind in types for rule in _of_type(kind)))


def resource(types: tuple[SecretType, ...]) -> tuple[Rule, ...]:
    """Return the rules on the whole resource: what may not change."""
    return (
        {
            "rule": "self.spec.type == oldSelf.spec.type",
            "message": "spec.type cannot change: make a new VaultSecret",
        },
        {
            "rule": f"{_target_name('self')} == {_target_name('oldSelf')}",
            "message": "spec.target.name cannot change: make a new VaultSecret",
        },
        {
            "rule": f"{_target_type('self', types)} == "
            f"{_target_type('oldSelf', types)}",
            "message": "spec.target.type cannot change: make a new VaultSecret",
        },
        {
            "rule": f"({_merges('self')}) == ({_merges('oldSelf')})",
            "message": "spec.target.creationPolicy cannot change to or from Merge: "
            "make a new VaultSecret",
        },
    )


_SOURCE: tuple[Rule, ...] = (
    {
        "rule": "has(self.sealed) || has(self.credentials)",
        "message": "has no source for the values: run `vaultferry seal` and put the "
        "tokens under spec.sealed",
    },
    {
        "rule": "!has(self.credentials)",
        "message": "spec.credentials is plaintext and nothing here seals it: run "
        "`vaultferry seal` and put the tokens under spec.sealed",
    },
    {
        "rule": "!has(self.target) || !has(self.target.type) || !has(self.sealed) || "
        "self.target.type != 'kubernetes.io/basic-auth' || "
        "'username' in self.sealed || 'password' in self.sealed",
        "message": "spec.target.type kubernetes.io/basic-auth needs a field username "
        "or password under spec.sealed",
    },
)


def _of_type(kind: SecretType) -> Iterator[Rule]:
    other = f"self.type != '{kind.name}'"
    if not kind.methods:
        yield {
            "rule": f"{other} || !has(self.authMethod)",
            "message": f"type {kind.name} takes no spec.authMethod: leave it out",
        }
        return
    names = ", ".join(kind.methods)
    yield {
        "rule": f"{other} || !has(self.authMethod) || "
        f"self.authMethod in {_list(tuple(kind.methods))}",
        "message": f"type {kind.name} takes spec.authMethod {names}",
    }
    for place, (method, fields) in enumerate(kind.methods.items()):
        absent = (
            "has(self.authMethod) && " if place == 0 else "!has(self.authMethod) || "
        )
        yield {
            "rule": f"{other} || !has(self.sealed) || "
            f"({absent}self.authMethod != '{method}') || {_fits(fields)}",
            "message": _takes(kind, method, fields),
        }


def _fits(fields: Fields) -> str:
    required = [f"'{name}' in self.sealed" for name in fields.required]
    known = f"self.sealed.all(k, k in {_list(fields.names)})"
    return f"({' && '.join([*required, known])})"


def _takes(kind: SecretType, method: str, fields: Fields) -> str:
    optional = f", and may have {', '.join(fields.optional)}" if fields.optional else ""
    of = f"{kind.name} with {method}" if len(kind.methods) > 1 else kind.name
    return (
        f"spec.sealed of type {of} takes exactly {', '.join(fields.required)}{optional}"
    )


def _list(names: tuple[str, ...]) -> str:
    return "[" + ", ".join(f"'{name}'" for name in names) + "]"


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
