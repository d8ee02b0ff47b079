"""QAgent: from a prompt to code."""

from temporalio import activity

from workflows import steps
from workflows.activities.heartbeats import heartbeating
from workflows.messages.code_generation import (
    Artifact,
    CheckReport,
    CodeGenerationRequest,
    Fingerprint,
    GeneratedCode,
    ParsedPrompt,
)
from workflows.ports import CodeChecker, LLMGateway, Qlafs
from workflows.prompts import parse


class QAgentActivities:
    """The steps of code generation. They change nothing outside, so each may be repeated."""

    def __init__(self, *, gateway: LLMGateway, checker: CodeChecker, qlafs: Qlafs) -> None:
        self._gateway = gateway
        self._checker = checker
        self._qlafs = qlafs

    @activity.defn(name=steps.parse_prompt.name)
    async def parse_prompt(self, request: CodeGenerationRequest) -> ParsedPrompt:
        """Normalise and validate the prompt.

        An activity although it is pure: its rules may then change without a thought for the
        histories of runs that are under way.
        """
        return parse(request)

    @activity.defn(name=steps.generate_code.name)
    async def generate_code(self, prompt: ParsedPrompt) -> GeneratedCode:
        """Have the language model write the code."""
        async with heartbeating():
            return await self._gateway.generate_code(prompt)

    @activity.defn(name=steps.check_code.name)
    async def check_code(self, generated: GeneratedCode) -> CheckReport:
        """Check the code."""
        async with heartbeating():
            return await self._checker.check(generated.code, generated.language)

    @activity.defn(name=steps.fingerprint.name)
    async def fingerprint(self, artifact: Artifact) -> Fingerprint:
        """Take the fingerprint of what was made."""
        return await self._qlafs.fingerprint(artifact)
