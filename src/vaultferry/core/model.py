"""How manifests look from Python: camelCase outside, frozen and silent inside."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

GROUP = "vaultferry.dev"
VERSION = "v1alpha1"


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
