"""How far announcements keep from each other: as the database bears, never short, and never long."""

import pytest

from eventstore.announcer import pause_after


@pytest.mark.parametrize(
    ("seconds", "pause"), [(0.0, 0.001), (0.0003, 0.001), (0.002, 0.006), (0.5, 0.008)]
)
def test_the_pause_grows_with_what_an_announcement_takes_between_two_limits(
    seconds: float, pause: float
) -> None:
    assert pause_after(seconds) == pytest.approx(pause)
