"""``ntbridge pipelines``: run the reference pipelines and follow them."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Any

from cyclopts import App

from bridge.runtime.terminal import examples_of, print_exact, print_message
from workflows.commands.host import (
    ColumnsFlag,
    GivenHost,
    Host,
    Output,
    OutputFlag,
    Result,
    SecondsFlag,
)
from workflows.commands.inputs import merged
from workflows.commands.stages import COMPLETED, FAILED, StageLine, Stages
from workflows.pipelines.catalogue import PIPELINES, Pipeline, pipeline

app = App(name="pipelines", help="Run the reference pipelines.")

COLUMNS = ("name", "event", "summary")
PHASE_COLUMNS = ("phase", "state", "seconds", "note")

EXIT_FAILED, EXIT_USAGE, EXIT_TIMED_OUT = 1, 2, 5


@app.command(help_epilogue=examples_of(["ntbridge pipelines ls"]))
def ls(*, output: OutputFlag = None, columns: ColumnsFlag = None, host: GivenHost) -> None:
    """List the pipelines and the events that start them.

    Parameters
    ----------
    output:
        table (in a terminal), ndjson (in a pipe), wide, json or yaml.
    """
    host.printer(output, COLUMNS, columns).all(
        {
            "name": each.name,
            "event": each.event,
            "workflow": each.workflow,
            "summary": each.summary,
            "phases": [stage.phase for stage in each.stages],
        }
        for each in PIPELINES
    )


@app.command(
    help_epilogue=examples_of(
        [
            "ntbridge pipelines run code-generation 'prompt=Reverse a string' --follow",
            "ntbridge pipelines run devsecops infrastructure.size=2",
        ]
    )
)
async def run(
    name: str,
    /,
    *inputs: str,
    data: str | None = None,
    follow: bool = False,
    timeout: SecondsFlag | None = None,  # noqa: ASYNC109 - a flag
    output: OutputFlag = None,
    host: GivenHost,
) -> int:
    """Publish the event that starts a pipeline and print its id.

    The data is that of the sample of this name, with the inputs merged into it: name=value, or
    with dots, such as infrastructure.size=2. A value that is not JSON is text.

    Parameters
    ----------
    name:
        Name of the pipeline: see `ntbridge pipelines ls`.
    inputs:
        Inputs of the pipeline, name=value.
    data:
        The whole data as JSON, instead of the sample's.
    follow:
        Show the phases until the run ends; exit 0 if it completed, 1 if not, 5 on timeout.
    timeout:
        Seconds to follow; default: until the run ends.
    output:
        Format of --follow, one row for each phase: ndjson or table. A terminal shows a drawing.
    """
    wanted = pipeline(name)
    if wanted is None:
        names = ", ".join(each.name for each in PIPELINES)
        host.note(f"unknown pipeline {name!r}; known pipelines: {names}")
        return EXIT_USAGE
    members = host.sample(wanted.name)
    members["data"] = merged(members["data"] if data is None else data, inputs)
    async with host.channel() as channel:
        results = await channel.results() if follow else None
        published = await channel.publish(members)
        (print_message if follow else print_exact)(published)
        if results is None:
            return 0
        try:
            async with asyncio.timeout(timeout):
                return await _follow(results, wanted, published, output, host)
        except TimeoutError:
            host.note(
                f"the run did not end within {timeout:g} s and continues; check it with "
                f"'ntbridge events explain {published}'"
            )
            return EXIT_TIMED_OUT


async def _follow(
    results: AsyncIterator[Result],
    wanted: Pipeline,
    correlation: str,
    output: Output | None,
    host: Host,
) -> int:
    """Show the phases of a run until it has ended; return the exit code for its outcome."""
    stages = Stages(wanted, datetime.now(UTC).timestamp())
    drawing = output is None and sys.stdout.isatty()
    printer = None if drawing else host.printer(output, PHASE_COLUMNS)
    with _drawn(stages) if drawing else nullcontext():
        async for result in results:
            if result.correlation_id != correlation:
                continue
            changed = _apply(stages, result)
            if printer is not None:
                for step in changed:
                    printer.stream(_row(step))
            if asked := _asked(result):
                question = stages.ask(asked)
                if not drawing:
                    host.note(question)
            if stages.outcome is not None:
                break
    return _report_outcome(stages, host)


def _apply(stages: Stages, result: Result) -> Sequence[StageLine]:
    """Apply a result event; return the phases that it ended."""
    data = json.loads(result.event.data or b"null")
    known = data if isinstance(data, dict) else {}
    at = _seconds(result.event.time)
    if not result.closes:
        step = stages.take(result.topic.rpartition(".")[2], known, at)
        return () if step is None else (step,)
    stages.close(known, at, failed=result.failed)
    return [step for step in stages.steps if step.state == FAILED]


def _asked(result: Result) -> dict[str, Any] | None:
    """Return the data of an event that asks people, else None."""
    if not result.topic.endswith("-requested"):
        return None
    data = json.loads(result.event.data or b"null")
    return data if isinstance(data, dict) and "may_answer" in data else None


def _report_outcome(stages: Stages, host: Host) -> int:
    took = sum(step.seconds or 0 for step in stages.steps)
    if stages.outcome is None:
        host.note("the connection to NATS was closed; the run continues")
        return EXIT_FAILED
    outcome = f"{stages.pipeline.name} {stages.outcome} after {took:.1f} s"
    host.note(f"{outcome}: {stages.reason}" if stages.reason else outcome)
    return 0 if stages.outcome == COMPLETED else EXIT_FAILED


def _row(step: StageLine) -> dict[str, Any]:
    seconds = None if step.seconds is None else round(step.seconds, 3)
    return {"phase": step.phase, "state": step.state, "seconds": seconds, "note": step.note}


def _seconds(time: str | None) -> float:
    moment = datetime.now(UTC) if time is None else datetime.fromisoformat(time)
    return moment.timestamp()


def _drawn(stages: Stages) -> AbstractContextManager[None]:
    from workflows.commands.drawing import drawn

    return drawn(stages)
