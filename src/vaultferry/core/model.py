"""How manifests look from Python: camelCase outside, frozen and silent inside."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from vaultferry.core.errors import InvalidSpec

GROUP = "vaultferry.dev"
VERSION = "v1alpha1"

WEBHOOK = f"seal.{GROUP}"
"""What the API server calls our webhook."""

_MAX_NAME = 253
_KEY = re.compile(r"(?!\.\.)(?!\.\Z)[-._a-zA-Z0-9]{1,253}")
_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")

Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    ),
]
"""The name of an object."""


def is_name(text: str) -> bool:
    """Tell whether a text that anybody may have written can be the name of a resource.

    What cannot must not get into the path of a request.
    """
    labels = text[: _MAX_NAME + 1].split(".")
    return len(text) <= _MAX_NAME and all(map(_LABEL.fullmatch, labels))


def is_key(text: str) -> bool:
    """Tell whether a text can be a key of a Secret: the API server's own rule."""
    return _KEY.fullmatch(text) is not None


class Model(BaseModel):
    """A part of a resource.

    Unknown fields are ignored, not refused: an operator one version behind its CRD
    must go on. Errors hide their input, because pydantic quotes it.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )


M = TypeVar("M", bound=Model)

_NO_VALUES: dict[str, Any] = {
    "include_input": False,
    "include_url": False,
    "include_context": False,
}


def understood(model: type[M], raw: Mapping[str, Any], at: str = "spec") -> M:
    """Return a part of a resource as this version understands it.

    Args:
        model: what it ought to be.
        raw: the part.
        at: its place, for people.

    Raises:
        InvalidSpec: this version does not understand it.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        # Only locations: the input and the message may quote a value.
        places = sorted(
            {".".join(map(str, e["loc"][:2])) for e in error.errors(**_NO_VALUES)}
        )
    raise InvalidSpec(f"not understood: {at}.{f', {at}.'.join(places)}")
