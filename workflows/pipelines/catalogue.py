"""The pipelines by name: the event that starts each, and its phases.

For commands; the bridge does not use it, and a route may start a workflow on any event. A test
compares it with the workflows.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A phase of a pipeline, and the result events that report it.

    Attributes:
        phase: Its name in the workflow.
        done: Names of the events that it emits; the last one means that it is done.
        warned: Names of events that mean that it failed and the run continues.
        repeated: Names of events that mean that its work is done again.
    """

    phase: str
    done: tuple[str, ...]
    warned: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """A pipeline. Its sample event and its route in the sample routes have the same name."""

    name: str
    workflow: str
    domain: str
    """The domain of its events: ``io.quantum-suite.<domain>.<name>.v1``."""
    summary: str
    stages: tuple[Stage, ...]
    begins: str = "requested"
    """The name of the event that starts it."""

    @property
    def event(self) -> str:
        """The type of the event that starts it."""
        return f"io.quantum-suite.{self.domain}.{self.begins}.v1"


PIPELINES = (
    Pipeline(
        name="code-generation",
        workflow="CodeGenerationWorkflow",
        domain="code-generation",
        summary="from a prompt to checked, fingerprinted code",
        stages=(
            Stage(phase="parse the prompt", done=("prompt-parsed",)),
            Stage(phase="generate code", done=("code-generated",)),
            Stage(phase="check code", done=("code-validated",), repeated=("code-rejected",)),
            Stage(phase="record fingerprint", done=("fingerprint-recorded",)),
        ),
    ),
    Pipeline(
        name="infra-provision",
        workflow="InfraProvisionWorkflow",
        domain="infra",
        begins="provision-requested",
        summary="from a request to an environment; people approve changes that can lose data",
        stages=(
            Stage(phase="plan", done=("planned",)),
            Stage(phase="approval", done=("approval-granted",)),
            Stage(phase="confirmation", done=("confirmation-granted",)),
            Stage(phase="provision", done=("provisioned",)),
        ),
    ),
    Pipeline(
        name="devsecops",
        workflow="DevSecOpsPipelineWorkflow",
        domain="devsecops",
        summary="from a prompt to a monitored service; on failure all of it is undone",
        stages=(
            Stage(phase="generate code", done=("code-generated",), repeated=("code-rejected",)),
            Stage(phase="generate tests", done=("tests-generated",)),
            Stage(phase="security scan", done=("security-scanned",)),
            Stage(phase="deploy infrastructure", done=("infrastructure-deployed",)),
            Stage(phase="deploy application", done=("application-deployed",)),
            Stage(
                phase="set up monitoring",
                done=("monitoring-set-up",),
                warned=("monitoring-failed",),
            ),
        ),
    ),
    Pipeline(
        name="complete-code",
        workflow="CompleteCodePipelineWorkflow",
        domain="complete-code",
        summary="from a prompt to a verified deployment; people review critical findings",
        stages=(
            Stage(phase="generate code", done=("code-generated",), repeated=("code-rejected",)),
            Stage(phase="generate tests", done=("tests-generated",)),
            Stage(phase="execute tests", done=("tests-executed",)),
            Stage(phase="security scan", done=("security-scanned",)),
            Stage(phase="security review", done=("security-review-granted",)),
            Stage(phase="propose code", done=("proposed",)),
            Stage(phase="provision", done=("infrastructure-provisioned",)),
            Stage(phase="deploy", done=("deployed",)),
            Stage(phase="verify deployment", done=("deployment-verified",)),
        ),
    ),
)

QUESTIONS = (
    "io.quantum-suite.infra.approval",
    "io.quantum-suite.infra.confirmation",
    "io.quantum-suite.complete-code.security-review",
)
"""The prefixes of the types of the events with which pipelines ask people."""


def pipeline(name: str) -> Pipeline | None:
    """Return the pipeline of this name, or None."""
    return next((each for each in PIPELINES if each.name == name), None)
