"""What can go wrong in a pipeline, and whether another try can help.

.. code-block:: text

    PipelineError
    ├── PermanentError             another try would end the same way: never retried
    │   ├── InvalidInputError      the event's data is not what the workflow takes
    │   ├── InvalidPromptError     the prompt cannot be worked on
    │   ├── PromptNotServedError   the language model in use cannot answer this prompt
    │   ├── CodeRejectedError      the code was generated but does not pass the checks
    │   ├── InvalidResultTypeError an event type from which no subject can be derived
    │   ├── ResultRefusedError     the store will never take this event
    │   ├── EventTimedOutError     an event that was waited for did not come in time
    │   ├── ToolMissingError       a program that a step runs is not installed
    │   └── InvalidSettingError    the worker was started with a setting that cannot be
    └── TransientError             worth another try, as often as the step's policy allows
        ├── ToolFailedError        a program that a step runs broke
        └── ToolTimedOutError      a program that a step runs took too long

Activities raise these as they are: Temporal records the class name, and the retry policies in
``workflows.policies`` list the permanent ones by name. An exception from outside the tree
counts as transient.
"""


class PipelineError(Exception):
    """The root."""


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


class InvalidResultTypeError(PermanentError):
    """No subject can be derived from an event type."""


class ResultRefusedError(PermanentError):
    """The store will never take this result event, or holds another under its identity."""


class EventTimedOutError(PermanentError, TimeoutError):
    """An event that a workflow waited for did not come in the time given."""


class ToolMissingError(PermanentError):
    """A program that a step runs is not installed."""


class InvalidSettingError(PermanentError):
    """The worker was started with a setting that cannot be; says which, and from where."""


class TransientError(PipelineError):
    """Worth another try."""


class ToolFailedError(TransientError):
    """A program that a step runs broke."""


class ToolTimedOutError(TransientError):
    """A program that a step runs took too long and was killed."""


def permanent_error_names() -> list[str]:
    """Return the class names that no retry policy may retry, sorted."""

    def below(kind: type[PermanentError]) -> set[str]:
        return {kind.__name__}.union(*(below(child) for child in kind.__subclasses__()))

    return sorted(below(PermanentError))
