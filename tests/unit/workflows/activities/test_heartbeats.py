"""An activity that waits gives signs of life; one that is quick does not bother the server."""

import asyncio
import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from workflows.activities.heartbeats import heartbeating


class Patient(ActivityEnvironment):
    """An activity's surroundings that count its heartbeats."""

    def __init__(self, timeout: timedelta | None) -> None:
        super().__init__()
        self.info = dataclasses.replace(self.info, heartbeat_timeout=timeout)
        self.beats = 0
        self.three = asyncio.Event()
        self.on_heartbeat = self._beat

    def _beat(self, *_details: Any) -> None:
        self.beats += 1
        if self.beats >= 3:
            self.three.set()


async def test_a_long_wait_gives_signs_of_life_and_then_stops_giving_them() -> None:
    environment, before = Patient(timedelta(milliseconds=30)), asyncio.all_tasks()

    async def wait() -> int:
        async with heartbeating():
            await environment.three.wait()
        return environment.beats

    assert await environment.run(wait) == environment.beats
    assert asyncio.all_tasks() == before, "nothing is left that beats"


@pytest.mark.parametrize("limit", [None, timedelta(seconds=10)])
async def test_a_quick_one_gives_none(limit: timedelta | None) -> None:
    environment = Patient(limit)

    async def finish() -> None:
        async with heartbeating():
            await asyncio.sleep(0)

    await environment.run(finish)
    assert environment.beats == 0


async def test_what_goes_wrong_inside_comes_out() -> None:
    async def break_down() -> None:
        async with heartbeating():
            raise KeyError("it")

    with pytest.raises(KeyError):
        await Patient(timedelta(seconds=10)).run(break_down)
