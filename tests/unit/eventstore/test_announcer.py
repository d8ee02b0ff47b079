"""When announcements are sent: as the database bears, never short, never long, and within the time that was given."""

import asyncio
from collections.abc import Sequence

import pytest

from eventstore.announcer import Announcer, pause_after
from eventstore.appending import Appended
from eventstore.batching import AppendResult, Coalescer
from eventstore.errors import Unavailable
from eventstore.expected import ANY
from eventstore.prepared import PreparedAppend


class Sent:
    """Counts what was sent."""

    def __init__(self) -> None:
        self.count = 0
        self.now = asyncio.Event()

    async def __call__(self) -> None:
        """Send one."""
        self.count += 1
        self.now.set()


@pytest.mark.parametrize(
    ("seconds", "pause"), [(0.0, 0.001), (0.0003, 0.001), (0.002, 0.006), (0.5, 0.008)]
)
def test_the_pause_grows_with_what_an_announcement_takes_between_two_limits(
    seconds: float, pause: float
) -> None:
    assert pause_after(seconds) == pytest.approx(pause)


async def test_one_that_may_wait_is_sent_once_its_time_is_over_however_many_ask() -> None:
    sent = Sent()
    announcer = Announcer(sent)
    for _ in range(3):
        announcer.announce(within=0.05)
        await asyncio.sleep(0)
    assert sent.count == 0
    await sent.now.wait()
    await announcer.flush()
    assert sent.count == 1


async def test_one_that_may_not_wait_is_sent_for_those_that_may() -> None:
    sent = Sent()
    announcer = Announcer(sent)
    announcer.announce(within=3600)
    announcer.announce()
    await sent.now.wait()
    await announcer.flush()
    assert sent.count == 1


async def test_the_last_one_is_sent_before_the_end_even_if_it_may_wait() -> None:
    sent = Sent()
    announcer = Announcer(sent)
    announcer.announce(within=3600)
    await announcer.flush()
    assert sent.count == 1
    await announcer.flush()
    assert sent.count == 1, "nothing was asked for since"


async def test_what_was_asked_for_while_one_failed_is_not_sent_at_the_end() -> None:
    tried = []

    async def send() -> None:
        tried.append("sent")
        announcer.announce()
        raise Unavailable("away")

    announcer = Announcer(send)
    announcer.announce()
    await announcer.flush()
    await announcer.flush()
    assert len(tried) == 1


async def test_callers_that_append_again_at_once_go_before_the_announcement() -> None:
    done: list[str] = []

    async def send() -> None:
        done.append("announced")

    announcer = Announcer(send)

    async def write(members: Sequence[PreparedAppend]) -> list[AppendResult]:
        done.append(f"wrote {len(members)}")
        await asyncio.sleep(0)
        announcer.announce()
        return [Appended(each.stream, 1, 1, (1,), duplicate=False) for each in members]

    coalescer = Coalescer(write)

    async def append_twice(stream: str) -> None:
        for _ in range(2):
            await coalescer.submit(PreparedAppend(stream, ANY, (), frozenset()))

    await asyncio.gather(*(append_twice(stream) for stream in "abc"))
    await announcer.flush()
    assert done[:2] == ["wrote 1", "wrote 3"]
    assert done.index("announced") > 1
