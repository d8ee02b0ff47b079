"""QInfra's settings."""

from typing import Annotated, Literal

from pydantic import Field

from workflows.settings.infra_rules import InfraRules
from workflows.settings.part import Part, one_of


class QInfraSettings(Part):
    """Where environments and releases are, and what the operator says about changes.

    Attributes:
        provisioner: ``local``: environments are folders under the worker's state folder.
        deployer: ``local``: likewise releases.
        pause: Seconds before each resource of a local environment, as a provider would take.
        containment: Of releases' smoke checks. ``required`` runs them in a cage without a
            network, and refuses where the kernel forbids that; ``best-effort`` runs them all the
            same, with limits; ``none`` is for services of your own that must reach something.
        check_seconds: How long a smoke check may take.
        rules: As JSON: ``{"approvers": {"production": ["ann", "bob"]}}``.
    """

    provisioner: Annotated[str, one_of("local")] = "local"
    deployer: Annotated[str, one_of("local")] = "local"
    pause: float = Field(default=0, ge=0, le=60)
    containment: Literal["required", "best-effort", "none"] = "required"
    check_seconds: int = Field(default=60, gt=0, le=600)
    rules: InfraRules = InfraRules()
