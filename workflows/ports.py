"""The ports of the activities: one small protocol for each outside service.

Adapters (``workflows.adapters``) implement them and do not know Temporal; activities call them
and do not know the tools. Temporal retries an activity when its worker dies, whether or not the
first attempt took effect. So every method must be safe to repeat with the same argument, also
concurrently.
"""

from typing import Protocol, runtime_checkable

from workflows.messages.approvals import Notification, Notified
from workflows.messages.code_generation import (
    Artifact,
    CheckReport,
    Fingerprint,
    GeneratedCode,
    InformedPrompt,
)
from workflows.messages.code_host import (
    ProposalRef,
    ProposalStatus,
    Proposed,
    ProposeRequest,
    Withdrawn,
)
from workflows.messages.deployment import (
    Deployed,
    DeploymentRolledBack,
    DeployRequest,
    ReleaseRef,
    Verification,
)
from workflows.messages.infra import (
    Destroyed,
    DestroyRequest,
    Plan,
    PlanRequest,
    Provisioned,
    ProvisionRequest,
    RolledBack,
    UndoRequest,
)
from workflows.messages.monitoring import (
    Monitoring,
    MonitoringRemoved,
    MonitoringRequest,
    RemoveMonitoringRequest,
)
from workflows.messages.patterns import AcceptedCode, Learned, Pattern
from workflows.messages.provenance import RunReference, Seal, SealRequest
from workflows.messages.security import ScanReport, ScanRequest
from workflows.messages.suites import GeneratedSuite, SuiteReport, SuiteRequest, SuiteRun


class LLMGateway(Protocol):
    """Generates code from a prompt."""

    async def generate_code(self, prompt: InformedPrompt) -> GeneratedCode:
        """Generate code for a prompt. Two calls may return different code.

        If the prompt has ``rejected`` code, correct that.

        Cancelling the call closes the request.

        Raises:
            PromptNotServedError: The model cannot answer this prompt; a retry would not help.
            AnswerUnusableError: The answer is cut off or has no code. If the run has rounds
                left, the model is asked again, with this message.
            GatewayRefusedError: The server rejects the key, the model or the address.
            RateLimitedError: The server limits the rate; the error may say how long to wait.
            GatewayFailedError: The server is unreachable, fails or sends an invalid answer.
        """


class CodeChecker(Protocol):
    """Checks code without running it."""

    async def check(self, code: str, language: str) -> CheckReport:
        """Check code; findings are in the report and are not raised.

        The same code gives the same report. Cancelling the call kills the processes it started.

        Raises:
            ToolMissingError: A checking program is not installed.
            ToolFailedError: A checking program failed.
            ToolTimedOutError: A checking program took too long.
        """


@runtime_checkable
class CodeFixer(Protocol):
    """Corrects small faults of code without changing what it does."""

    async def fix(self, code: str, language: str) -> str:
        """Return the code with all safe corrections; unchanged if there are none.

        Raises:
            ToolMissingError: A program is not installed.
            ToolFailedError: A program failed.
            ToolTimedOutError: A program took too long.
        """


class CodeTester(Protocol):
    """Runs the tests of generated code, and judges code and tests by them."""

    async def test(self, run: SuiteRun) -> SuiteReport:
        """Run the tests in containment; the outcome is ``not-run`` where that is impossible.

        Raises:
            ToolFailedError: The test runner failed.
        """


class VectorDatabase(Protocol):
    """Stores accepted code by its prompt."""

    async def similar(self, text: str, *, language: str, limit: int) -> tuple[Pattern, ...]:
        """Return the patterns most similar to a prompt, the most similar first.

        Raises:
            PatternStoreError: The database or the embedding model is unavailable.
        """

    async def learn(self, accepted: AcceptedCode) -> Learned:
        """Store a pattern; the same prompt with the same code is stored once.

        Raises:
            RunUndoneError: The patterns of the run were deleted before.
            PatternStoreError: The database or the embedding model is unavailable.
        """

    async def forget(self, key: str) -> tuple[str, ...]:
        """Delete the patterns that only the run of this effect key stored; return their ids.

        A run without patterns is not an error. Patterns that the run stores later are refused.

        Raises:
            PatternStoreError: The database or the embedding model is unavailable.
        """


class Embeddings(Protocol):
    """Turns texts into vectors; their cosine similarity measures how similar the texts are."""

    @property
    def name(self) -> str:
        """The model and its version. Vectors of different names are not compared."""

    async def embed(self, text: str) -> tuple[float, ...]:
        """Return the unit vector of a text; the same text gives the same vector.

        Raises:
            PipelineError: The model is unavailable or rejects the request.
        """


class Qlafs(Protocol):
    """Creates provenance statements that can be verified later.

    Neither method stores anything. The workflow emits the returned statement as a result event,
    which is durable and immutable, so there is no second copy that could differ. Both methods
    return the same for the same run as long as the run emits nothing in between.
    """

    async def fingerprint(self, artifact: Artifact, *, run: RunReference) -> Fingerprint:
        """Return the fingerprint of an artifact that a run made.

        Raises:
            ProvenanceError: The events of the run cannot be read.
        """

    async def seal(self, request: SealRequest, *, run: RunReference) -> Seal:
        """Sign a statement about all events of a run; without an envelope if unsigned.

        Raises:
            ProvenanceError: The events of the run cannot be read.
        """


class SuiteGenerator(Protocol):
    """Generates a test module for code."""

    async def generate(self, request: SuiteRequest) -> GeneratedSuite:
        """Generate the tests. A generator that runs the code does so in containment.

        Raises:
            SuiteNotWrittenError: No tests can be generated; a retry would not help.
            UncontainedError: This machine cannot contain the code.
            TransientError: A retry may help.
        """


class SuiteRunner(Protocol):
    """Runs tests of untrusted code."""

    async def run(self, run: SuiteRun) -> SuiteReport:
        """Run the tests in containment; the report says how they ended.

        Cancelling the call kills all processes and removes all files of the run.

        Raises:
            UncontainedError: This machine cannot contain the code, and the settings require
                containment.
            ToolMissingError: A program is not installed.
        """

    async def clean_up(self, key: str) -> tuple[str, ...]:
        """Remove the files that a killed worker left from a run; return their names."""


class Scanner(Protocol):
    """Finds weaknesses in code without running it."""

    async def scan(self, request: ScanRequest) -> ScanReport:
        """Scan code; the same code gives the same report.

        Cancelling the call kills the processes it started.

        Raises:
            ToolMissingError: A scanning program is not installed.
            ToolFailedError: A scanning program failed.
            ToolTimedOutError: A scanning program took too long.
        """


class Provisioner(Protocol):
    """Brings what an owner has in an environment to its wanted state.

    A plan touches only its owner's resources. Changes of one owner exclude each other. Every
    change has a key. A repeat under the same key finishes an unfinished change, and otherwise
    changes nothing.
    """

    async def plan(self, request: PlanRequest) -> Plan:
        """Compare the current state with the wanted one; change nothing.

        Raises:
            InvalidInputError: The wanted state contradicts itself.
        """

    async def provision(self, request: ProvisionRequest) -> Provisioned:
        """Apply a plan exactly as given.

        Raises:
            PlanOutdatedError: The environment changed after the plan was made.
            ProvisionRefusedError: A resource cannot be created as the plan says.
            RunUndoneError: The change of this key was undone; this attempt is too late.
        """

    async def roll_back(self, request: UndoRequest) -> RolledBack:
        """Restore the state before the change of this key; do nothing without one.

        Raises:
            PlanOutdatedError: Another run has changed the environment since.
        """

    async def destroy(self, request: DestroyRequest) -> Destroyed:
        """Destroy an environment; do nothing when it does not exist."""


class Deployer(Protocol):
    """Deploys releases of services, one at a time for each service.

    A release that was not found healthy is never in force.
    """

    async def deploy(self, request: DeployRequest) -> Deployed:
        """Put a release in force, if it is healthy; else the previous one stays in force.

        Raises:
            DeploymentUnhealthyError: It is not healthy or its smoke check failed.
            WrongMachineError: The deployer serves another machine than this one.
            ReleaseConflictError: A release of this name with other files exists.
            RunUndoneError: The release was rolled back before; this attempt is too late.
        """

    async def roll_back(self, release: ReleaseRef) -> DeploymentRolledBack:
        """Put the last healthy release before this one in force, if this one is; else do nothing."""

    async def verify(self, release: ReleaseRef) -> Verification:
        """Run the smoke check of the release in force; a failure is returned, not raised.

        Raises:
            NotDeployedError: This release is not in force.
        """


class Monitor(Protocol):
    """Manages the monitoring rules of services."""

    async def set_up(self, request: MonitoringRequest) -> Monitoring:
        """Write a service's rules; they replace its earlier ones.

        Raises:
            RulesInvalidError: Prometheus would not load the rules.
            RunUndoneError: The rules of this key were removed; this attempt is too late.
        """

    async def remove(self, request: RemoveMonitoringRequest) -> MonitoringRemoved:
        """Remove a service's rules; do nothing when it has none."""


class Notifier(Protocol):
    """Sends notifications, at least once: receivers deduplicate by the notification's id."""

    async def notify(self, notification: Notification) -> Notified:
        """Send a notification.

        Raises:
            NotificationRefusedError: The receiver rejects it; a retry would not help.
            NotificationFailedError: The receiver did not accept it; a retry may help.
        """


class CodeHost(Protocol):
    """Proposes code to people as a branch of a repository.

    Each proposal has a key. Its record is in the repository itself, so every worker sees it.
    """

    async def propose(self, request: ProposeRequest) -> Proposed:
        """Create the branch with exactly these files; a repeat returns the same commit.

        Raises:
            InvalidInputError: A path leads out of the folder of the service.
            NotGenuineError: A fingerprint is not that of its file.
            ProposalConflictError: A proposal of this key with other files exists.
            RunUndoneError: The proposal was withdrawn before; this attempt is too late.
            CodeHostFailedError: The repository cannot be read or changed.
        """

    async def status(self, proposal: ProposalRef) -> ProposalStatus:
        """Return whether the proposal was merged: the target then has its commit or its files.

        Raises:
            CodeHostFailedError: The repository cannot be read.
        """

    async def withdraw(self, proposal: ProposalRef) -> Withdrawn:
        """Delete the branch and refuse later attempts to propose; a repeat changes nothing.

        Raises:
            ProposalTakenError: It was merged, or people have pushed to the branch.
            CodeHostFailedError: The repository cannot be read or changed.
        """
