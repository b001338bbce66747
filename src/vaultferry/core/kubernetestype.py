"""Types of Secrets that Kubernetes has rules for: the keys that they must have."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from vaultferry.core.errors import InvalidSpec, ValueInvalid

_DOCKER = ".dockerconfigjson"


@dataclass(frozen=True)
class Keys:
    """The keys that a type of Secret must have."""

    names: tuple[str, ...]
    any: bool = False
    """Whether one of them is enough."""

    def suffice(self, there: Mapping[str, bytes]) -> bool:
        """Tell whether what is there has the keys, none of them empty."""
        present = [bool(there.get(name)) for name in self.names]
        return any(present) if self.any else all(present)

    def __str__(self) -> str:
        word = " or " if self.any else " and "
        return word.join(self.names)


REQUIRED: Mapping[str, Keys] = {
    "kubernetes.io/basic-auth": Keys(("username", "password"), any=True),
    "kubernetes.io/dockerconfigjson": Keys((_DOCKER,)),
    "kubernetes.io/ssh-auth": Keys(("ssh-privatekey",)),
    "kubernetes.io/tls": Keys(("tls.crt", "tls.key")),
}
"""The types of Kubernetes that a target may have, beside Opaque."""


def check(kubernetes_type: str, data: Mapping[str, bytes]) -> None:
    """Check that data has what Kubernetes wants of a type of Secret.

    Raises:
        InvalidSpec: a key is missing or empty.
        ValueInvalid: the value of a key is not what it must be.
    """
    required = REQUIRED.get(kubernetes_type)
    if required is None:
        return
    if not required.suffice(data):
        raise InvalidSpec(
            f"a Secret of type {kubernetes_type} needs {required}: name a field so, or "
            "have spec.target.formats or spec.target.template write it"
        )
    if _DOCKER in required.names and not _is_object(data[_DOCKER]):
        raise ValueInvalid(
            f"key {_DOCKER} has {len(data[_DOCKER])} bytes that are no JSON object"
        )


def _is_object(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
