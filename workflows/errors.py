"""The errors of the pipelines, and which of them Temporal retries.

.. code-block:: text

    PipelineError
    ├── CommandError               an ``ntbridge`` command cannot do its work
    ├── PermanentError             a retry would fail in the same way: never retried
    │   ├── InvalidInputError      the event's data do not fit the workflow
    │   ├── InvalidPromptError     the prompt is invalid
    │   ├── PromptNotServedError   the language model in use cannot answer this prompt
    │   │   └── AnswerUnusableError its answer is cut off or has no code; another may be whole
    │   ├── CodeRejectedError      the code was generated but does not pass the checks
    │   ├── EventTimedOutError     an expected event did not arrive in time
    │   ├── ToolMissingError       a program that a step runs is not installed
    │   ├── GatewayRefusedError    a model server rejects the key, model or address
    │   ├── SuiteNotWrittenError   no tests can be generated for this code
    │   ├── CoverageTooLowError    tests cannot reach the coverage that is required
    │   ├── UncontainedError       this machine cannot contain untrusted code
    │   ├── RunUndoneError         a late attempt of a step whose run was undone
    │   ├── NobodyMayApproveError  an approval is required, and no approver is named
    │   ├── PlanOutdatedError      an environment changed after the plan was made
    │   ├── ProvisionRefusedError  a resource cannot be created as planned
    │   ├── DeploymentUnhealthyError a release was unhealthy and was rolled back
    │   ├── ReleaseConflictError   a release of this name with other files exists
    │   ├── WrongMachineError      a service runs on another machine than this worker
    │   ├── NotDeployedError       a release is not the current one
    │   ├── ProposalConflictError  a proposal of this key with other files exists
    │   ├── ProposalTakenError     people merged or changed a proposal: only they can withdraw it
    │   ├── RulesInvalidError      Prometheus would not load the monitoring rules
    │   ├── NotificationRefusedError a receiver rejects a notification
    │   ├── CriticalFindingsError  the security scan has critical findings
    │   ├── SuiteFailedError       generated code fails its tests
    │   ├── ReviewRefusedError     the security team denied the code
    │   ├── ReviewTimedOutError    the security team did not answer in time
    │   ├── ImpactTooHighError     a plan would lose data and has no approval
    │   ├── DeploymentNotVerifiedError a deployed service fails its smoke check
    │   ├── NotGenuineError        no trusted key signed a statement as it is
    │   └── InvalidSettingError    a setting of the worker is invalid
    └── TransientError             a retry may help: retried as the step's policy says
        ├── NotificationFailedError a receiver did not accept a notification
        ├── CodeHostFailedError    a repository cannot be read or changed
        ├── ToolFailedError        a program that a step runs failed
        ├── ToolTimedOutError      a program that a step runs took too long
        ├── GatewayFailedError     a model server is down or sends invalid answers
        │   └── RateLimitedError   it limits the rate
        ├── RedisAwayError         what workers share cannot be used; never leaves its adapter
        ├── SharedStateError       the database or object store of what workers share is down
        ├── ProvenanceError        the events that a statement covers cannot be read
        └── PatternStoreError      the vector database or its model is down

Activities raise these directly. Temporal records the class name, and the retry policies in
``workflows.platform.policies`` list the permanent errors by name. Any other exception counts as
transient.
"""


class PipelineError(Exception):
    """Base of all errors of the pipelines."""


class CommandError(PipelineError):
    """A command cannot do its work; ``ntbridge`` exits with the code and the message."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class PermanentError(PipelineError):
    """A retry would fail in the same way."""


class InvalidInputError(PermanentError):
    """The workflow's argument is invalid; the message lists every fault."""


class InvalidPromptError(PermanentError):
    """The prompt is invalid."""


class PromptNotServedError(PermanentError):
    """The language model in use cannot answer this prompt; the message says which it can."""


class AnswerUnusableError(PromptNotServedError):
    """The model's answer is cut off or has no code; a different answer may be whole."""


class CodeRejectedError(PermanentError):
    """The generated code does not pass the checks; the message lists the findings.

    ``rounds`` are all versions of the code (`workflows.messages.code_generation.Round`).
    """

    def __init__(self, message: str, rounds: tuple[object, ...] = ()) -> None:
        super().__init__(message)
        self.rounds = rounds


class EventTimedOutError(PermanentError, TimeoutError):
    """An event that a workflow waited for did not arrive before the timeout."""


class ToolMissingError(PermanentError):
    """A program that a step runs is not installed."""


class GatewayRefusedError(PermanentError):
    """A model server rejects the request; the message says what to correct.

    ``status`` is that of its HTTP response, None if nothing was asked.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class SuiteNotWrittenError(PermanentError):
    """No tests can be generated for this code."""


class CoverageTooLowError(PermanentError):
    """Tests cannot reach the target coverage, and the policy is ``fail``."""


class UncontainedError(PermanentError):
    """This machine cannot contain untrusted code; the message says what is missing."""


class RunUndoneError(PermanentError):
    """A late attempt of a step would change something for a run that was undone."""


class NobodyMayApproveError(PermanentError):
    """A plan needs an approval, but neither the request nor the rules name an approver."""


class PlanOutdatedError(PermanentError):
    """An environment changed after the plan was made: plan again."""


class ProvisionRefusedError(PermanentError):
    """A resource cannot be created as planned; the message says which and why."""


class DeploymentUnhealthyError(PermanentError):
    """A release was unhealthy and was rolled back; the message has the finding."""


class ReleaseConflictError(PermanentError):
    """A release of this name with other files exists: releases are immutable."""


class WrongMachineError(PermanentError):
    """A service runs on another machine, which this worker cannot control; says which."""


class NotDeployedError(PermanentError):
    """A release is not the current one, so it cannot be verified."""


class ProposalConflictError(PermanentError):
    """A proposal of this key with other files exists."""


class ProposalTakenError(PermanentError):
    """People merged a proposal or pushed to its branch; the message says what they can do."""


class RulesInvalidError(PermanentError):
    """Prometheus would not load the monitoring rules; the message lists every fault."""


class NotificationRefusedError(PermanentError):
    """A receiver rejects a notification; the message has its answer."""


class CriticalFindingsError(PermanentError):
    """The security scan has critical findings; the message lists them."""


class SuiteFailedError(PermanentError):
    """The generated code fails its tests; the message counts and names them."""


class ReviewRefusedError(PermanentError):
    """The security team denied the code; the message says who and why."""


class ReviewTimedOutError(PermanentError):
    """The security team did not answer in time."""


class ImpactTooHighError(PermanentError):
    """A plan would lose data and has no approval; the message says what to do."""


class DeploymentNotVerifiedError(PermanentError):
    """A deployed service fails its smoke check; the message has the check's output."""


class NotGenuineError(PermanentError):
    """No trusted key signed an envelope as it is; the message says why."""


class InvalidSettingError(PermanentError):
    """A setting of the worker is invalid; the message names it and its source."""


class TransientError(PipelineError):
    """A retry may help."""


class NotificationFailedError(TransientError):
    """A receiver did not accept a notification."""


class CodeHostFailedError(TransientError):
    """A repository cannot be read or changed; the message has git's answer."""


class ToolFailedError(TransientError):
    """A program that a step runs failed."""


class ToolTimedOutError(TransientError):
    """A program that a step runs took too long and was killed."""


class GatewayFailedError(TransientError):
    """A model server is down, fails or sends an invalid answer.

    ``seconds`` is how long the server asks to wait, if it does.
    """

    def __init__(self, message: str, *, seconds: float | None = None) -> None:
        super().__init__(message)
        self.seconds = seconds


class RateLimitedError(GatewayFailedError):
    """A model server limits the rate of requests."""


class RedisAwayError(TransientError):
    """The Redis that workers share cannot be used now; its adapter then goes on without it."""


class ProvenanceError(TransientError):
    """The events that a statement covers cannot be read."""


class SharedStateError(TransientError):
    """The database or the object store of what workers share is down, fails or was lost."""


class PatternStoreError(TransientError):
    """The vector database or its embedding model is down or fails."""


def permanent_error_names() -> list[str]:
    """Return the class names that no retry policy may retry, sorted."""

    def below(kind: type[PermanentError]) -> set[str]:
        return {kind.__name__}.union(*(below(child) for child in kind.__subclasses__()))

    return sorted(below(PermanentError))
