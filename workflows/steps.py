"""The activities as workflow code knows them: by name, types and policy.

A workflow must not import what its activities do (their modules open sockets and start
processes), and a bare string would lose the types. So each activity is declared here once;
``workflows.activities`` takes its name from the declaration, and a test holds both signatures
against each other.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from temporalio import workflow

from workflows.messages.code_generation import (
    Artifact,
    CheckReport,
    CodeGenerationRequest,
    Fingerprint,
    GeneratedCode,
    ParsedPrompt,
)
from workflows.messages.message import Message
from workflows.messages.result_events import EmitRequest, Emitted
from workflows.policies import EMIT, GENERATION, Policy

Taken = TypeVar("Taken", bound=Message)
Given = TypeVar("Given", bound=Message)


@dataclass(frozen=True, kw_only=True)
class Step(Generic[Taken, Given]):
    """An activity that a workflow calls like a function: one message in, one out."""

    name: str
    takes: type[Taken]
    gives: type[Given]
    policy: Policy
    summary: str

    async def __call__(self, message: Taken, *, summary: str | None = None) -> Given:
        """Run the activity on the workflow's own task queue.

        Args:
            message: What the activity takes.
            summary: The line that Temporal's web UI shows; by default the step's own.

        Raises:
            ActivityError: When the policy's tries are used up, the failure is permanent or
                the run is cancelled.
        """
        given: Given = await workflow.execute_activity(
            self.name,
            message,
            result_type=self.gives,
            start_to_close_timeout=self.policy.start_to_close,
            heartbeat_timeout=self.policy.heartbeat,
            retry_policy=self.policy.retry,
            summary=summary or self.summary,
        )
        return given


# QAgent

parse_prompt = Step(
    name="qagent.parse_prompt",
    takes=CodeGenerationRequest,
    gives=ParsedPrompt,
    policy=GENERATION,
    summary="parse and validate the prompt",
)
generate_code = Step(
    name="qagent.generate_code",
    takes=ParsedPrompt,
    gives=GeneratedCode,
    policy=GENERATION,
    summary="generate the code",
)
check_code = Step(
    name="qagent.check_code",
    takes=GeneratedCode,
    gives=CheckReport,
    policy=GENERATION,
    summary="check that the code compiles and is clean",
)
fingerprint = Step(
    name="qagent.fingerprint",
    takes=Artifact,
    gives=Fingerprint,
    policy=GENERATION,
    summary="take the fingerprint",
)

# Result events

append_events = Step(
    name="events.emit",
    takes=EmitRequest,
    gives=Emitted,
    policy=EMIT,
    summary="append result events",
)
