"""``ntbridge-worker`` whose activities follow a script, run by run.

As a program (`python -m tests.support.scripted_worker`) it is the worker as it stands, settings,
adapters and all, but for heartbeats that are missed sooner. The folder that ``TEST_SCRIPTS`` names may hold a file for a run, named after the
last part of its workflow id: what its activities do instead of, before or after their work.
"""

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, get_type_hints

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
    Worker,
)
from typing_extensions import override

import workflows.worker.worker
from workflows.activities.heartbeats import heartbeating
from workflows.platform import policies
from workflows.worker.cli import main

FOLDER = "TEST_SCRIPTS"
HEARTBEAT = timedelta(seconds=5)


@dataclass(frozen=True, kw_only=True)
class Act:
    """What becomes of an activity.

    Attributes:
        fails: It raises this, and is not tried again.
        answers: It does nothing and gives this.
        hangs: The first of its name stands still "before" or "after" its work, until it is
            cancelled or its worker is killed; those after it are as usual.
    """

    fails: str | None = None
    answers: Mapping[str, Any] | None = None
    hangs: str | None = None


@dataclass(frozen=True)
class Scripts:
    """The folder of the scripts."""

    folder: Path

    def write(self, run: str, acts: Mapping[str, Act]) -> None:
        """Say what the activities of a run do, by their names."""
        text = json.dumps({name: asdict(act) for name, act in acts.items()})
        (self.folder / f"{run}.json").write_text(text)

    def act(self, run: str, name: str) -> Act:
        """Return what an activity of a run does."""
        path = self.folder / f"{run}.json"
        acts = json.loads(path.read_text()) if path.exists() else {}
        return Act(**acts.get(name, {}))

    def reached(self, run: str, name: str) -> Path:
        """Return the file that is there when an activity stands still."""
        return self.folder / f"{run}.{name}.reached"


class _Scripted(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, scripts: Scripts) -> None:  # noqa: A002 - the SDK's
        super().__init__(next)
        self._scripts = scripts

    @override
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        run = (info.workflow_id or "").rpartition("/")[2]
        act = self._scripts.act(run, info.activity_type)
        if act.fails is not None:
            raise ApplicationError(act.fails, type="ScriptedError", non_retryable=True)
        if act.answers is not None:
            return get_type_hints(input.fn)["return"].model_validate(act.answers)
        hung_before = self._scripts.reached(run, info.activity_type).exists()
        hangs = None if hung_before else act.hangs
        if hangs == "before":
            await self._hang(run, info.activity_type)
        answer = await super().execute_activity(input)
        if hangs == "after":
            await self._hang(run, info.activity_type)
        return answer

    async def _hang(self, run: str, name: str) -> None:
        self._scripts.reached(run, name).touch()
        async with heartbeating():
            await asyncio.Event().wait()


class _Interceptor(Interceptor):
    @override
    def intercept_activity(
        self,
        next: ActivityInboundInterceptor,
    ) -> ActivityInboundInterceptor:
        return _Scripted(next, Scripts(Path(os.environ[FOLDER])))


class _Worker(Worker):
    def __init__(self, *arguments: Any, interceptors: Any = (), **options: Any) -> None:
        super().__init__(*arguments, interceptors=[*interceptors, _Interceptor()], **options)


def _miss_heartbeats_sooner() -> None:
    """Have the server notice within seconds, rather than a quarter of a minute, that we died."""
    for policy in vars(policies).values():
        if isinstance(policy, policies.Policy):
            object.__setattr__(policy, "heartbeat", HEARTBEAT)


if __name__ == "__main__":
    _miss_heartbeats_sooner()
    setattr(workflows.worker.worker, "Worker", _Worker)  # noqa: B010 - not a type alias to mypy
    main()
