"""The pipelines by the names that people call them: which event begins each, and what it does.

For people and their tools; the bridge knows nothing of it, and a route may start a workflow on
any event. A test holds it against the workflows.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A phase of a pipeline, and the result events that say how it went.

    Attributes:
        phase: Its name, as the workflow has it.
        done: Names of the events that say that it is done; the last one does.
        warned: Names of events that say that it failed and the run goes on.
    """

    phase: str
    done: tuple[str, ...]
    warned: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """A pipeline; its sample event and its route in the sample routes have its name."""

    name: str
    workflow: str
    domain: str
    """Of its events: ``io.quantum-suite.<domain>.<name>.v1``."""
    summary: str
    stages: tuple[Stage, ...]
    begins: str = "requested"
    """The name of the event that begins it."""

    @property
    def event(self) -> str:
        """The type of the event that begins it."""
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
            Stage(phase="check code", done=("code-validated",)),
            Stage(phase="record fingerprint", done=("fingerprint-recorded",)),
        ),
    ),
    Pipeline(
        name="infra-provision",
        workflow="InfraProvisionWorkflow",
        domain="infra",
        begins="provision-requested",
        summary="from a wish to an environment, with people asked before anything can be lost",
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
        summary="from a prompt to a service that is watched; on failure all of it is undone",
        stages=(
            Stage(phase="generate code", done=("code-generated",)),
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
        summary="from a prompt to a verified deployment, reviewed by people where it must be",
        stages=(
            Stage(phase="generate code", done=("code-generated",)),
            Stage(phase="generate tests", done=("tests-generated",)),
            Stage(phase="execute tests", done=("tests-executed",)),
            Stage(phase="security scan", done=("security-scanned",)),
            Stage(phase="security review", done=("security-review-granted",)),
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
"""What the types of the questions' events begin with that pipelines ask people."""


def pipeline(name: str) -> Pipeline | None:
    """Return the pipeline of this name, if there is one."""
    return next((each for each in PIPELINES if each.name == name), None)
