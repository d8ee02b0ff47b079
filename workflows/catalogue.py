"""The pipelines by the names that people call them: which event begins each, and what it does.

For people and their tools; the bridge knows nothing of it, and a route may start a workflow on
any event.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """A pipeline; its sample event and its route in the sample routes have its name."""

    name: str
    workflow: str
    event: str
    """The type of the event that begins it."""
    summary: str


PIPELINES = (
    Pipeline(
        name="code-generation",
        workflow="CodeGenerationWorkflow",
        event="io.quantum-suite.code-generation.requested.v1",
        summary="from a prompt to checked, fingerprinted code",
    ),
)
