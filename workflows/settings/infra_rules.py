"""What the operator says about changes to environments."""

from collections.abc import Mapping

from pydantic import Field

from workflows.settings.part import Part

ANY_KIND = "*"


class InfraRules(Part):
    """When people are asked, and whom. ``*`` in a pattern stands for anything.

    Attributes:
        fixed: By kind of resource (``*``: of any): properties that cannot change in place.
        high_environments: Patterns of environments any change of which is HIGH.
        high_kinds: Patterns of kinds of resources any change of which is HIGH.
        most_changes: More changes than this at once are HIGH.
        approvers: By a pattern of environments, who may approve. Where it names somebody, a
            request cannot name others.
        two_people: Patterns of environments where who confirms must be another than who approved.
    """

    fixed: Mapping[str, tuple[str, ...]] = Field(
        default_factory=lambda: {
            ANY_KIND: ("region",),
            "database": ("engine",),
            "volume": ("encrypted",),
        }
    )
    high_environments: tuple[str, ...] = ("prod", "prod-*", "production", "production-*")
    high_kinds: tuple[str, ...] = ()
    most_changes: int | None = Field(default=None, ge=0)
    approvers: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    two_people: tuple[str, ...] = ()
