"""Who seals the values of manifests again: with the root key here, or elsewhere."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vaultferry.cli.refusal import Refused
from vaultferry.cli.tokens import Resource
from vaultferry.core.errors import Failure
from vaultferry.core.keyring import Keyring
from vaultferry.core.resealing import Wish


@dataclass(frozen=True)
class Answer:
    """The new tokens of a VaultSecret by field, or why there are none."""

    tokens: Mapping[str, str]
    refusals: Sequence[Refused] = ()


Resealer = Callable[[Sequence[Resource]], Sequence[Answer]]


def by_root_key(keyring: Keyring, wish: Wish) -> Resealer:
    """Seal here: the one who holds the root key may widen a scope as well."""
    return lambda resources: [_sealed(keyring, wish, each) for each in resources]


def _sealed(keyring: Keyring, wish: Wish, resource: Resource) -> Answer:
    tokens, refusals = {}, []
    for value in resource.values:
        try:
            tokens[value.place.field] = keyring.resealed(
                value.token, value.place, wish.suite, wish.scope
            )
        except Failure as failure:
            refusals.append(Refused(f"{called(resource)}: {failure}"))
    return Answer(tokens, refusals)


def called(resource: Resource) -> str:
    """Return what to call a VaultSecret."""
    return f"VaultSecret {resource.namespace}/{resource.name}"
