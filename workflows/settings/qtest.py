"""QTest's settings."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import ByteSize, Field

from workflows.settings.part import Part, one_of


class QTestSettings(Part):
    """How tests are written and run.

    Attributes:
        generator: Who writes tests: Hypothesis' ``ghostwriter``, or the language model of
            ``openai``.
        runner: ``pytest``, in a cage.
        containment: ``required`` refuses to run generated code where the kernel forbids
            namespaces; ``best-effort`` runs it all the same, with limits and Landlock.
        seconds: How long a suite may take.
        memory: Address space of each process.
        disk: Of a suite's folder, which is in memory.
        processes: Of a suite, threads included.
        at_once: How many suites may run at the same time.
        folder: Where folders are made when ``best-effort`` needs them.
    """

    generator: Annotated[str, one_of("ghostwriter", "openai")] = "ghostwriter"
    runner: Annotated[str, one_of("pytest")] = "pytest"
    containment: Literal["required", "best-effort"] = "required"
    seconds: float = Field(default=120, gt=0, le=540)
    memory: ByteSize = Field(default=ByteSize(2**30), ge=256 * 2**20)
    disk: ByteSize = Field(default=ByteSize(64 * 2**20), ge=2**20)
    processes: int = Field(default=24, ge=4, le=1000)
    at_once: int = Field(default=2, ge=1)
    folder: Path | None = None
