"""Conditions in a status, as in `metav1.Condition`."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from vaultferry.core.model import Model

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class Condition(Model):
    """One observation about the resource, as in `metav1.Condition`."""

    type: Annotated[str, Field(max_length=316)]
    """Ready, Fresh, Stored, Reconciling or Stalled."""

    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""

    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    """Why, in one CamelCase word of a closed list."""

    message: Annotated[str, Field(max_length=32768)] = ""
    """Why, for people. Names objects and fields, never a value."""

    last_transition_time: Time
    """When `status` last changed."""

    observed_generation: int = 0
    """The generation this was said of."""


Conditions = Annotated[
    list[Condition],
    Field(
        max_length=8,
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
    ),
]


class Reported(Model):
    """A status: what an operator observed of a resource.

    One writer replaces it as a whole. To note the owner of each field in it as well
    would cost the API server a tenth of every such write.
    """

    model_config = ConfigDict(json_schema_extra={"x-kubernetes-map-type": "atomic"})

    conditions: Conditions = []
    observed_generation: int = -1

    def condition(self, kind: str) -> Condition | None:
        """Return the condition of that type."""
        return next((c for c in self.conditions if c.type == kind), None)

    def dumped(self) -> dict[str, Any]:
        """Return the status as it stands in the resource."""
        said = self.model_dump(by_alias=True, exclude_none=True, exclude_defaults=True)
        # It has a default so that kstatus takes nothing for current too early.
        return {"observedGeneration": self.observed_generation} | said
