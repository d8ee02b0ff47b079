"""What the activities need from the world, as small protocols, one a file.

An adapter (``workflows.adapters``) knows no Temporal; an activity knows no tool. Every method
may be called again with the same argument, concurrently too: an activity is retried when its
worker dies, whether or not its first try took effect.
"""

from typing import Protocol

from workflows.messages.approvals import Notification, Notified
from workflows.messages.code_generation import (
    Artifact,
    CheckReport,
    Fingerprint,
    GeneratedCode,
    InformedPrompt,
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
from workflows.messages.provenance import Run, Seal, SealRequest
from workflows.messages.security import ScanReport, ScanRequest
from workflows.messages.suites import GeneratedSuite, SuiteReport, SuiteRequest, SuiteRun

# Something that tells whether code is fit for use.


class CodeChecker(Protocol):
    """Judges code without ever running it."""

    async def check(self, code: str, language: str) -> CheckReport:
        """Check code; what is wrong with it is in the report and raises nothing.

        The same code gets the same report. Cancelling the call ends whatever it started.

        Raises:
            ToolMissingError: When a checking program is not installed.
            ToolFailedError: When a checking program broke.
            ToolTimedOutError: When a checking program took too long.
        """


# Something that puts releases of services in force.


class Deployer(Protocol):
    """Puts releases of services in force, one at a time for each service."""

    async def deploy(self, request: DeployRequest) -> Deployed:
        """Put a release in force; one that is found unhealthy is taken back at once.

        Raises:
            DeploymentUnhealthyError: It was; the release before is in force again.
            ReleaseConflictError: There is a release of this name with other files.
            RunUndoneError: It was taken back: it comes too late.
        """

    async def roll_back(self, release: ReleaseRef) -> DeploymentRolledBack:
        """Put the release before in force again, if this one is; harmless otherwise."""

    async def verify(self, release: ReleaseRef) -> Verification:
        """Run the smoke check of the release in force; what fails is told, not raised.

        Raises:
            NotDeployedError: This release is not in force.
        """


# Something that writes code when asked in words.


class LLMGateway(Protocol):
    """Writes code."""

    async def generate_code(self, prompt: InformedPrompt) -> GeneratedCode:
        """Write code for a prompt. Two calls need not give the same code.

        Cancelling the call ends the request.

        Raises:
            PromptNotServedError: When asking again would not help.
            GatewayRefusedError: When the gateway refuses us, not the prompt.
            RateLimitedError: When it asks for patience; may say how long.
            GatewayFailedError: When it is away, broken or answers nonsense.
        """


# Something that watches services.


class Monitor(Protocol):
    """Keeps the rules by which services are watched. Both methods are harmless to repeat."""

    async def set_up(self, request: MonitoringRequest) -> Monitoring:
        """Put a service's rules in force, in place of those that were.

        Raises:
            RulesInvalidError: The rules are none that would be loaded.
            RunUndoneError: Rules of this key were removed: it comes too late.
        """

    async def remove(self, request: RemoveMonitoringRequest) -> MonitoringRemoved:
        """Remove a service's rules; harmless when there are none."""


# Something that tells people.


class Notifier(Protocol):
    """Tells people. At least once: the receiver tells a repeat by the notification's id."""

    async def notify(self, notification: Notification) -> Notified:
        """Send a notification.

        Raises:
            NotificationRefusedError: The receiver will never take it.
            NotificationFailedError: It did not take it this time.
        """


# Where code that was accepted is found again.


class VectorDatabase(Protocol):
    """Remembers accepted code by what it was asked for."""

    async def similar(self, text: str, *, language: str, limit: int) -> tuple[Pattern, ...]:
        """Return the patterns most similar to a prompt, the most similar first.

        Raises:
            PatternStoreError: When the database or the embedding is away or broken.
        """

    async def learn(self, accepted: AcceptedCode) -> Learned:
        """Remember a pattern; the same prompt with the same code is remembered once.

        Raises:
            RunUndoneError: When the run was told to be forgotten.
            PatternStoreError: As above.
        """

    async def forget(self, key: str) -> tuple[str, ...]:
        """Forget for good what only the run of this effect key has learned; return the ids.

        Nothing to forget is no error. What the run would learn later is refused.

        Raises:
            PatternStoreError: As above.
        """


class Embeddings(Protocol):
    """Turns texts into vectors whose cosine similarity says how alike the texts are."""

    @property
    def name(self) -> str:
        """Names the model and its version: vectors of different names are not compared."""

    async def embed(self, text: str) -> tuple[float, ...]:
        """Return the vector of a text, of length 1; the same text gives the same vector.

        Raises:
            PipelineError: When the model is away or broken, or refuses us.
        """


# Something that makes environments what they should be.


class Provisioner(Protocol):
    """Makes environments what they should be.

    Changes of one environment exclude each other. Every change is keyed, and a repeat under its
    key finishes what is unfinished, and changes nothing otherwise.
    """

    async def plan(self, request: PlanRequest) -> Plan:
        """Compare what there is with what is wanted; changes nothing.

        Raises:
            InvalidInputError: What is wanted contradicts itself.
        """

    async def provision(self, request: ProvisionRequest) -> Provisioned:
        """Apply a plan, exactly as it stands.

        Raises:
            PlanOutdatedError: The environment is no longer what the plan was made for.
            ProvisionRefusedError: A resource can never be made like this.
            RunUndoneError: What was done under this key was undone: it comes too late.
        """

    async def roll_back(self, request: UndoRequest) -> RolledBack:
        """Restore what there was before the change under this key; harmless without one.

        Raises:
            PlanOutdatedError: Somebody else has changed the environment since.
        """

    async def destroy(self, request: DestroyRequest) -> Destroyed:
        """Destroy an environment; harmless when there is none."""


# Something that vouches for where an artifact comes from.


class Qlafs(Protocol):
    """Says where an artifact comes from, in a form that can be checked later.

    Neither method stores anything. The record is the result event that the workflow emits with
    what they return: durable, written once and immutable, and so there is no second copy to
    differ. Both give the same for the same run as long as it emits nothing meanwhile.
    """

    async def fingerprint(self, artifact: Artifact, *, run: Run) -> Fingerprint:
        """Take the fingerprint of an artifact that a run has made.

        Raises:
            ProvenanceError: When what the run has told cannot be read.
        """

    async def seal(self, request: SealRequest, *, run: Run) -> Seal:
        """Vouch for all that a run has told; there is no envelope where nothing is signed.

        Raises:
            ProvenanceError: As above.
        """


# Something that looks for what is dangerous about code.


class Scanner(Protocol):
    """Finds weaknesses without ever running the code."""

    async def scan(self, request: ScanRequest) -> ScanReport:
        """Scan code; the same code gets the same report.

        Cancelling the call ends whatever it started.

        Raises:
            ToolMissingError: When a scanning program is not installed.
            ToolFailedError: When a scanning program broke.
            ToolTimedOutError: When a scanning program took too long.
        """


# What writes tests, and what runs them.


class SuiteGenerator(Protocol):
    """Writes a test module for code."""

    async def generate(self, request: SuiteRequest) -> GeneratedSuite:
        """Write the tests. Whatever has to run the code for it does so in containment.

        Raises:
            SuiteNotWrittenError: When asking again would not help.
            UncontainedError: When the code may not be run on this machine.
            TransientError: When it may help.
        """


class SuiteRunner(Protocol):
    """Runs tests of code that nobody trusts."""

    async def run(self, run: SuiteRun) -> SuiteReport:
        """Run the tests in containment; however they end is in the report.

        Cancelling the call ends all that was started, and leaves nothing behind.

        Raises:
            UncontainedError: When this machine cannot contain the code and no setting allows
                to run it all the same.
            ToolMissingError: When a program is not installed.
        """

    async def clean_up(self, key: str) -> tuple[str, ...]:
        """Remove what a killed worker left behind of a run; return what it was."""
