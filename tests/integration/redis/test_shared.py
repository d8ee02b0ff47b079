"""Cache and limits that workers share, on a real server that is killed and comes back."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from tests.support.own_redis import OwnRedis, own_redis
from tests.support.stand_in_llm import StandIn, stand_in, streams
from tests.support.waiting import eventually
from workflows.adapters.models.governed import GovernedModel
from workflows.adapters.models.local import WINDOW, Limits, LocalWindow
from workflows.adapters.openai.client import OpenAIClient
from workflows.adapters.redis.server import SharedRedis
from workflows.adapters.redis.window import SharedWindow
from workflows.modules.models import language_model
from workflows.settings import OpenAISettings

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OwnRedis]:
    async with own_redis(tmp_path_factory.mktemp("valkey")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def workers(server: OwnRedis) -> AsyncIterator[tuple[SharedRedis, SharedRedis]]:
    """The connections of two workers."""
    both = SharedRedis(server.url), SharedRedis(server.url)
    yield both
    for each in both:
        await each.close()


def model(stand_in: StandIn, redis: SharedRedis, **settings: object) -> GovernedModel:
    return language_model(
        OpenAISettings.model_validate(
            {"base_url": stand_in.url, "model": "writer", **settings}
        ),
        redis,
    )


async def test_an_answer_for_one_worker_is_there_for_the_other(
    workers: tuple[SharedRedis, SharedRedis],
) -> None:
    async with stand_in(streams("first"), streams("second")) as server:
        one, two = (model(server, redis) for redis in workers)
        asked = await one.complete(system="s", user="u")
        found = await two.complete(system="s", user="u")
        assert (found.text, found.model) == (asked.text, asked.model)
        assert (asked.usage.cached, found.usage.cached) == (False, True)
        assert found.usage.finish_reason == "stop"
        other = model(server, workers[1], max_tokens=5)
        assert (await other.complete(system="s", user="u")).text == "second"
    assert len(server.exchanges) == 2


async def test_two_workers_share_one_limit(workers: tuple[SharedRedis, SharedRedis]) -> None:
    """Counted where it matters: at the models' server."""
    async with stand_in(streams("x")) as server:
        waiting: list[float] = []

        async def wait(seconds: float) -> None:
            waiting.append(seconds)
            await asyncio.Event().wait()

        limits = Limits(requests=5)
        both = [
            GovernedModel(
                OpenAIClient(OpenAISettings(base_url=server.url, model="writer")),
                answers=None,
                window=SharedWindow(redis, limits, LocalWindow(limits), scope=server.url),
                parameters={},
                seconds=540,
                sleep=wait,
            )
            for redis in workers
        ]
        calls = [
            asyncio.create_task(both[number % 2].complete(system="s", user=str(number)))
            for number in range(12)
        ]
        await eventually(lambda: len(waiting) == 7, within=50, what="seven calls that wait")
        await eventually(lambda: sum(each.done() for each in calls) == 5, within=50)
        for each in calls:
            each.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    assert len(server.exchanges) == 5
    assert all(0 < seconds <= WINDOW * 1.1 for seconds in waiting)


def shared(redis: SharedRedis, limits: Limits, seconds: float = WINDOW) -> SharedWindow:
    """A window of its own."""
    scope = uuid.uuid4().hex
    return SharedWindow(redis, limits, LocalWindow(limits), scope=scope, seconds=seconds)


async def test_a_window_opens_again_when_calls_have_left_it(
    workers: tuple[SharedRedis, SharedRedis],
) -> None:
    window = shared(workers[0], Limits(requests=1), seconds=0.3)
    assert await window.take("first", 1) == 0
    wait = await window.take("second", 1)
    assert 0 <= wait <= 0.3

    async def opened() -> bool:
        return await window.take("second", 1) == 0

    await eventually(opened, within=30, what="room in the window")


async def test_tokens_are_limited_together_and_corrected(
    workers: tuple[SharedRedis, SharedRedis],
) -> None:
    window = shared(workers[0], Limits(tokens=100))
    assert await window.take("alone", 1000) == 0, "nothing else is in the window"
    assert await window.take("next", 1) > 0
    await window.settle("alone", 40)
    assert await window.take("next", 60) == 0
    assert await window.take("another", 1) > 0
    await window.settle("unknown", 5)


async def test_without_the_server_each_process_has_its_own_limit_and_counts_what_was_before(
    workers: tuple[SharedRedis, SharedRedis], server: OwnRedis
) -> None:
    one = shared(workers[0], Limits(requests=3))
    assert await one.take("a", 1) == 0
    assert await one.take("b", 1) == 0
    await server.child.kill()
    assert await one.take("c", 1) == 0
    assert await one.take("d", 1) > 0, "the two calls of before the outage count"
    assert workers[0].problem is not None
    await server.child.start()


async def test_a_server_that_is_killed_and_started_under_load_stops_no_call(
    server: OwnRedis,
) -> None:
    async with stand_in(streams("x")) as models:
        redis = [SharedRedis(server.url, pause=0.05) for _ in range(2)]
        both = [model(models, each, requests_per_minute=100_000) for each in redis]
        done = 0
        stopping = asyncio.Event()

        async def load(number: int) -> None:
            nonlocal done
            while not stopping.is_set():
                name = uuid.uuid4().hex
                answer = await both[number % 2].complete(system="s", user=name)
                assert answer.text == "x"
                again = await both[number % 2].complete(system="s", user=name)
                assert again.text == "x"
                done += 1

        async def more_work() -> None:
            seen = done
            await eventually(lambda: done >= seen + 8, within=60, what="work")

        async with asyncio.TaskGroup() as working:
            for number in range(4):
                working.create_task(load(number))
            for change in (server.child.kill, server.child.start):
                await more_work()
                await change()
            await more_work()
            await eventually(
                lambda: all(each.problem is None for each in redis), within=60, what="Redis"
            )
            stopping.set()
        # What the limits counted is on the server again: its scripts were loaded anew.
        client = Redis.from_url(server.url)
        assert await client.keys("ntbridge:{models:*}:calls")
        assert await client.keys("ntbridge:{models}:answer:*")
        await client.aclose()
        for each in redis:
            await each.close()


async def test_an_answer_that_cannot_be_read_is_no_answer(
    workers: tuple[SharedRedis, SharedRedis], server: OwnRedis
) -> None:
    async with stand_in(streams("first"), streams("second")) as models:
        asking = model(models, workers[1])
        await asking.complete(system="s", user="to be spoilt")
        client = Redis.from_url(server.url)
        for key in await client.keys("ntbridge:{models}:answer:*"):
            await client.set(key, b"\xff not JSON")
        await client.aclose()
        assert (await asking.complete(system="s", user="to be spoilt")).text == "second"
