import asyncio

import pytest
from typing_extensions import override

from bridge.lifecycle.services import ServiceDiedError, Supervisor, TaskService, rest


class Part(TaskService):
    """Notes what happens to it; dies when told to."""

    def __init__(self, name: str, diary: list[str]) -> None:
        super().__init__(name)
        self.diary = diary
        self.die = asyncio.Event()

    @override
    async def run(self) -> None:
        self.diary.append(f"{self.name} up")
        self.ready()
        dying = asyncio.create_task(self.die.wait())
        stopping = asyncio.create_task(self.stopping.wait())
        await asyncio.wait({dying, stopping}, return_when=asyncio.FIRST_COMPLETED)
        dying.cancel()
        stopping.cancel()
        if self.die.is_set():
            raise ValueError("out of luck")
        self.diary.append(f"{self.name} down")


class Unready(TaskService):
    @override
    async def run(self) -> None:
        await self.stopping.wait()


class Stubborn(TaskService):
    patience = 0.01

    @override
    async def run(self) -> None:
        self.ready()
        await asyncio.Event().wait()


async def test_parts_start_in_order_and_stop_in_reverse() -> None:
    diary: list[str] = []
    until, started = asyncio.Event(), asyncio.Event()
    supervisor = Supervisor([Part("a", diary), Part("b", diary)])
    running = asyncio.create_task(supervisor.run(until, started=started))
    await started.wait()
    until.set()
    await running
    assert diary == ["a up", "b up", "b down", "a down"]


async def test_a_part_that_dies_stops_the_others_and_is_named() -> None:
    diary: list[str] = []
    first, second = Part("a", diary), Part("b", diary)
    started = asyncio.Event()
    running = asyncio.create_task(
        Supervisor([first, second]).run(asyncio.Event(), started=started)
    )
    await started.wait()
    first.die.set()
    with pytest.raises(
        ServiceDiedError, match=r"a died: ValueError\('out of luck'\)"
    ) as caught:
        await running
    assert caught.value.service == "a"
    assert isinstance(caught.value.__cause__, ValueError)
    assert diary == ["a up", "b up", "b down"]


async def test_a_death_during_the_start_of_another_is_noticed() -> None:
    diary: list[str] = []
    first = Part("a", diary)
    first.die.set()
    with pytest.raises(ServiceDiedError, match="a died"):
        await Supervisor([first, Unready("never")]).run(asyncio.Event())


async def test_the_end_may_come_while_a_part_is_starting() -> None:
    diary: list[str] = []
    until = asyncio.Event()
    running = asyncio.create_task(Supervisor([Part("a", diary), Unready("never")]).run(until))
    until.set()
    await running
    assert diary in (["a up", "a down"], [])


async def test_a_part_that_returns_before_it_is_ready_did_not_start() -> None:
    class Early(TaskService):
        @override
        async def run(self) -> None:
            return

    with pytest.raises(ServiceDiedError, match="early died: it returned without"):
        await Early("early").start()


async def test_start_and_stop_may_be_called_twice_and_start_again_after_stop() -> None:
    diary: list[str] = []
    part = Part("a", diary)
    await part.stop()
    await part.start()
    await part.start()
    await part.stop()
    await part.stop()
    await part.wait()
    await part.start()
    await part.stop()
    assert diary == ["a up", "a down"] * 2


async def test_a_part_that_does_not_drain_is_cancelled() -> None:
    part = Stubborn("stubborn")
    await part.start()
    await part.stop()


async def test_a_part_that_fails_to_stop_does_not_keep_the_others_up() -> None:
    class Broken(Part):
        patience = 1.0

    diary: list[str] = []
    first, broken = Part("a", diary), Unstoppable()
    until, started = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(Supervisor([first, broken]).run(until, started=started))
    await started.wait()
    until.set()
    await running
    assert diary == ["a up", "a down"]


class Unstoppable:
    name = "unstoppable"

    async def start(self) -> None: ...

    async def stop(self) -> None:
        raise OSError("no way")

    async def wait(self) -> None:
        await asyncio.Event().wait()


async def test_a_foreign_error_from_wait_names_the_part() -> None:
    class Odd(Unstoppable):
        name = "odd"

        @override
        async def stop(self) -> None: ...

        @override
        async def wait(self) -> None:
            raise OSError("gone")

    with pytest.raises(ServiceDiedError, match="odd died: gone"):
        await Supervisor([Odd()]).run(asyncio.Event())


async def test_pause_ends_when_the_part_is_stopped() -> None:
    class Sleepy(TaskService):
        @override
        async def run(self) -> None:
            self.ready()
            while not self.stopping.is_set():
                await self.pause(3600)

    part = Sleepy("sleepy")
    await part.start()
    await part.stop()
    await part.pause(0)


@pytest.mark.parametrize("turns", range(5))
async def test_a_rest_that_is_cancelled_in_the_moment_of_its_end_is_cancelled(
    turns: int,
) -> None:
    until = asyncio.Event()
    resting = asyncio.create_task(rest(until, 60))
    for _ in range(3):
        await asyncio.sleep(0)
    until.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    was_still_resting = resting.cancel()
    await asyncio.gather(resting, return_exceptions=True)
    assert resting.cancelled() == was_still_resting
