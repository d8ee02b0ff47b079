"""A database whose clock goes back."""

from datetime import UTC, datetime, timedelta

from bridge.health.clock import ClockWatch

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def after(seconds: float, *, back: float = 0.0) -> tuple[datetime, float]:
    """The two clocks after some seconds."""
    return NOON + timedelta(seconds=seconds - back), 100.0 + seconds


def test_a_clock_that_goes_on_does_not_go_back() -> None:
    watch = ClockWatch()
    assert [watch.went_back(*after(seconds)) for seconds in (0, 5, 10)] == [0, 0, 0]


def test_it_is_said_for_as_long_as_it_went_back() -> None:
    watch = ClockWatch()
    assert watch.went_back(*after(0)) == 0
    assert [watch.went_back(*after(seconds, back=60)) for seconds in (5, 10, 64)] == [60] * 3
    assert watch.went_back(None, 100.0 + 64) == 60
    assert watch.went_back(*after(66, back=60)) == 0


def test_a_jump_ahead_and_corrections_of_milliseconds_are_nothing() -> None:
    watch = ClockWatch()
    seen = [
        watch.went_back(*after(at, back=back)) for at, back in ((0, 0), (5, -60), (6, -59.5))
    ]
    assert seen == [0, 0, 0]
