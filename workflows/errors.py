"""What can go wrong in a pipeline, and whether another try can help.

.. code-block:: text

    PipelineError
    ├── CommandError               a command cannot do what it was asked
    ├── PermanentError             another try would end the same way: never retried
    │   ├── InvalidInputError      the event's data is not what the workflow takes
    │   ├── InvalidPromptError     the prompt cannot be worked on
    │   ├── PromptNotServedError   the language model in use cannot answer this prompt
    │   ├── CodeRejectedError      the code was generated but does not pass the checks
    │   ├── EventTimedOutError     an event that was waited for did not come in time
    │   ├── ToolMissingError       a program that a step runs is not installed
    │   ├── GatewayRefusedError    a language model's server refuses us: key, model, address
    │   ├── SuiteNotWrittenError   no tests can be written for this code
    │   ├── UncontainedError       this machine cannot hold code that nobody trusts
    │   ├── RunUndoneError         a step that comes too late: its run was undone
    │   ├── NobodyMayApproveError  people must be asked, and nobody is named
    │   ├── PlanOutdatedError      an environment is no longer what a plan was made for
    │   ├── ProvisionRefusedError  a resource can never be made as the plan says
    │   ├── DeploymentUnhealthyError a release was not healthy, and was taken back
    │   ├── ReleaseConflictError   there is a release of this name with other files
    │   ├── NotDeployedError       a release is not in force
    │   ├── RulesInvalidError      monitoring rules are none that Prometheus would load
    │   ├── NotificationRefusedError a receiver will never take a notification
    │   ├── CriticalFindingsError  the security scan found what must not be deployed
    │   ├── SuiteFailedError       generated code does not pass its tests
    │   ├── ReviewRefusedError     the security team has refused
    │   ├── ReviewTimedOutError    the security team has not answered in time
    │   ├── ImpactTooHighError     an environment would lose something, and nobody was asked
    │   ├── DeploymentNotVerifiedError a deployed service does not work
    │   ├── NotGenuineError        a statement is not what somebody trusted has signed
    │   └── InvalidSettingError    the worker was started with a setting that cannot be
    └── TransientError             worth another try, as often as the step's policy allows
        ├── NotificationFailedError a receiver did not take a notification this time
        ├── ToolFailedError        a program that a step runs broke
        ├── ToolTimedOutError      a program that a step runs took too long
        ├── GatewayFailedError     a language model's server is away, broken or talks nonsense
        │   └── RateLimitedError   it asks for patience
        ├── ProvenanceError        what a statement is about cannot be read
        └── PatternStoreError      the vector database or its embeddings are away or broken

Activities raise these as they are: Temporal records the class name, and the retry policies in
``workflows.platform.policies`` list the permanent ones by name. An exception from outside the tree
counts as transient.
"""


class PipelineError(Exception):
    """The root."""


class CommandError(PipelineError):
    """A command cannot do what it was asked; ``ntbridge`` ends with the code and the message."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class PermanentError(PipelineError):
    """Another try would end the same way."""


class InvalidInputError(PermanentError):
    """The workflow's argument is not what it takes; the message lists every fault."""


class InvalidPromptError(PermanentError):
    """The prompt cannot be worked on."""


class PromptNotServedError(PermanentError):
    """The language model in use cannot answer this prompt; the message says what it can."""


class CodeRejectedError(PermanentError):
    """The generated code does not pass the checks; the message lists the findings."""


class EventTimedOutError(PermanentError, TimeoutError):
    """An event that a workflow waited for did not come in the time given."""


class ToolMissingError(PermanentError):
    """A program that a step runs is not installed."""


class GatewayRefusedError(PermanentError):
    """A language model's server refuses us; the message says what to set right."""


class SuiteNotWrittenError(PermanentError):
    """No tests can be written for this code."""


class UncontainedError(PermanentError):
    """This machine cannot hold code that nobody trusts; the message says what is missing."""


class RunUndoneError(PermanentError):
    """A late try of a step would change something for a run that was undone."""


class NobodyMayApproveError(PermanentError):
    """A plan needs an approval that nobody can give: name somebody in the request or the rules."""


class PlanOutdatedError(PermanentError):
    """An environment is no longer what a plan was made for: plan again."""


class ProvisionRefusedError(PermanentError):
    """A resource can never be made as the plan says; says which, and why."""


class DeploymentUnhealthyError(PermanentError):
    """A release was not healthy and was taken back; says what the check found."""


class ReleaseConflictError(PermanentError):
    """There is a release of this name with other files: a release is never changed."""


class NotDeployedError(PermanentError):
    """A release is not in force, so it cannot be verified."""


class RulesInvalidError(PermanentError):
    """Monitoring rules are none that Prometheus would load; says every fault."""


class NotificationRefusedError(PermanentError):
    """A receiver will never take a notification; says what it answered."""


class CriticalFindingsError(PermanentError):
    """The security scan found what must not be deployed; the message lists it."""


class SuiteFailedError(PermanentError):
    """The generated code does not pass its tests; the message counts and names them."""


class ReviewRefusedError(PermanentError):
    """The security team has refused the code; says who, and why."""


class ReviewTimedOutError(PermanentError):
    """The security team has not answered in time."""


class ImpactTooHighError(PermanentError):
    """An environment would lose something, and nobody was asked; says what to do."""


class DeploymentNotVerifiedError(PermanentError):
    """A deployed service does not pass its smoke check; the message says what it said."""


class NotGenuineError(PermanentError):
    """An envelope that no trusted key has signed as it is; the message says why."""


class InvalidSettingError(PermanentError):
    """The worker was started with a setting that cannot be; says which, and from where."""


class TransientError(PipelineError):
    """Worth another try."""


class NotificationFailedError(TransientError):
    """A receiver did not take a notification this time."""


class ToolFailedError(TransientError):
    """A program that a step runs broke."""


class ToolTimedOutError(TransientError):
    """A program that a step runs took too long and was killed."""


class GatewayFailedError(TransientError):
    """A language model's server is away, broken or answers nonsense.

    ``seconds`` is how long it asks us to wait, if it does.
    """

    def __init__(self, message: str, *, seconds: float | None = None) -> None:
        super().__init__(message)
        self.seconds = seconds


class RateLimitedError(GatewayFailedError):
    """A language model's server asks for patience."""


class ProvenanceError(TransientError):
    """What a statement is about cannot be read."""


class PatternStoreError(TransientError):
    """The vector database, or what makes its vectors, is away or broken."""


def permanent_error_names() -> list[str]:
    """Return the class names that no retry policy may retry, sorted."""

    def below(kind: type[PermanentError]) -> set[str]:
        return {kind.__name__}.union(*(below(child) for child in kind.__subclasses__()))

    return sorted(below(PermanentError))
