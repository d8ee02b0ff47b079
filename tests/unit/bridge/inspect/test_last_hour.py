"""The last hour: read once, then only where it can have changed; counts by route."""

from datetime import UTC, datetime, timedelta

from typing_extensions import override

from bridge.inspect.activity import Activity, MinuteEvents, MinuteOutcome, RouteTimes
from bridge.inspect.last_hour import LastHour, by_route

START = datetime(2026, 11, 30, 12, 0, 30, tzinfo=UTC)


def minute(number: int) -> datetime:
    return START.replace(second=0) + timedelta(minutes=number)


class Table(Activity):
    """Outcomes and events a minute apart; remembers what was read."""

    def __init__(self) -> None:
        self.at = START
        self.asked: list[datetime] = []

    @override
    async def outcomes_by_minute(self, since: datetime) -> list[MinuteOutcome]:
        self.asked.append(since)
        return [
            MinuteOutcome(minute=each, route="orders", state="done", dispatches=1)
            for each in self._minutes(since)
        ]

    @override
    async def events_by_minute(self, since: datetime) -> list[MinuteEvents]:
        return [MinuteEvents(minute=each, events=2) for each in self._minutes(since)]

    @override
    async def times_by_route(self, since: datetime) -> list[RouteTimes]:
        last = max(since, self.at)
        return [RouteTimes(route="orders", median=0.1, p95=0.2, last=last)]

    def _minutes(self, since: datetime) -> list[datetime]:
        every = (minute(number) for number in range(-120, 240))
        return [each for each in every if since <= each <= self.at]


async def test_only_the_last_minutes_are_read_again() -> None:
    table = Table()
    hour = LastHour(table)
    first = await hour.read(table.at)
    assert len(first.outcomes) == len(first.events) == 61
    assert table.asked == [minute(-60)]
    table.at += timedelta(minutes=5)
    second = await hour.read(table.at)
    assert table.asked[1:] == [minute(-2)]
    assert [each.minute for each in second.outcomes] == [
        minute(number) for number in range(-55, 6)
    ]
    assert [each.minute for each in second.events] == [each.minute for each in second.outcomes]
    assert second.routes[0].done == 61


async def test_everything_is_read_again_after_a_long_time_or_when_the_clock_goes_back() -> None:
    table = Table()
    hour = LastHour(table)
    await hour.read(table.at)
    table.at += timedelta(hours=2)
    assert len((await hour.read(table.at)).outcomes) == 61
    table.at -= timedelta(minutes=30)
    seen = await hour.read(table.at)
    assert [each.minute for each in seen.outcomes] == sorted(
        {each.minute for each in seen.outcomes}
    )
    assert seen.outcomes[-1].minute == minute(90)


def test_outcomes_are_counted_by_route_with_the_times_that_are_known() -> None:
    outcomes = [
        MinuteOutcome(minute=minute(0), route=route, state=state, dispatches=number)
        for route, state, number in (
            ("a", "done", 3),
            ("a", "duplicate", 2),
            ("a", "dead", 1),
            ("b", "collision", 4),
            ("b", "skipped", 5),
        )
    ]
    a, b = by_route(outcomes, [RouteTimes(route="a", median=1.0, p95=2.0, last=START)])
    assert (a.settled, a.done, a.dead, a.median, a.p95, a.last) == (6, 5, 1, 1.0, 2.0, START)
    assert (b.settled, b.collided, b.skipped, b.median, b.last) == (9, 4, 5, None, None)
