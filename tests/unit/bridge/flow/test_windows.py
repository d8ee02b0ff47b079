"""When windows close, and with which events."""

from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from bridge.flow.windows import Closed, WindowPlan, Windows

DEBOUNCE = WindowPlan(kind="debounce", key="k", seconds=10, at_most=25)
BATCH = WindowPlan(kind="batch", key="k", seconds=10, size=3, max_bytes=100, gives_all=True)


def played(
    windows: Windows, plan: WindowPlan, times: Iterable[float], first: int = 1
) -> list[Closed]:
    """Let events join at some times, and close what is due before each."""
    closed: list[Closed] = []
    for number, now in enumerate(times, first):
        closed += windows.close(now)
        closed += windows.join(number, plan, now)
    return closed


def members(closed: Iterable[Closed]) -> list[tuple[tuple[int, ...], str]]:
    return [(each.members, each.by) for each in closed]


def test_a_debounced_window_closes_when_its_key_is_quiet() -> None:
    windows = Windows()
    assert members(played(windows, DEBOUNCE, [0, 8, 12])) == []
    assert windows.next_closing == 22
    assert members(windows.close(21.9)) == []
    assert members(windows.close(22)) == [((1, 2, 3), "time")]
    assert windows.next_closing is None


def test_events_cannot_put_it_off_for_ever() -> None:
    windows = Windows()
    assert members(played(windows, DEBOUNCE, [0, 8, 16, 24])) == []
    assert windows.next_closing == 25
    # What comes after that time begins the next window, also if nobody has closed this one.
    assert members(windows.join(5, DEBOUNCE, 26)) == [((1, 2, 3, 4), "time")]
    assert windows.gathering == {("k", ""): [5]}


def test_a_batch_closes_when_it_is_full_or_old() -> None:
    windows = Windows()
    assert members(played(windows, BATCH, [0, 2, 5, 9])) == [((1, 2, 3), "size")]
    assert members(windows.close(18.9)) == []
    assert members(windows.close(19)) == [((4,), "time")]


def test_a_batch_closes_before_the_event_that_does_not_fit() -> None:
    windows, large = Windows(), replace(BATCH, bytes=60)
    assert members(played(windows, large, [0, 1])) == [((1,), "bytes")]
    assert windows.gathering == {("k", ""): [2]}


def test_an_event_that_is_larger_than_a_batch_is_one_by_itself() -> None:
    windows = Windows()
    plans = [BATCH, replace(BATCH, bytes=500), BATCH]
    closed = [each for n, plan in enumerate(plans) for each in windows.join(n, plan, 0)]
    assert members(closed) == [((0,), "bytes"), ((1,), "bytes")]


@pytest.mark.parametrize("other", [replace(BATCH, kind="debounce"), BATCH])
def test_a_changed_route_closes_what_it_would_give_otherwise(other: WindowPlan) -> None:
    windows = Windows()
    list(windows.join(1, BATCH, 0, "old"))
    assert members(windows.join(2, other, 1, "new")) == [((1,), "route")]


def test_a_changed_route_goes_on_where_only_the_last_event_counts() -> None:
    windows = Windows()
    list(windows.join(1, DEBOUNCE, 0, "old"))
    assert members(windows.join(2, DEBOUNCE, 1, "new")) == []
    assert members(windows.close(11)) == [((1, 2), "time")]


def test_keys_and_targets_have_windows_of_their_own() -> None:
    windows = Windows()
    for number, (key, target) in enumerate([("a", ""), ("b", ""), ("a", "w"), ("a", "")]):
        list(windows.join(number, replace(DEBOUNCE, key=key, target=target), 0))
    assert windows.gathering == {("a", ""): [0, 3], ("b", ""): [1], ("a", "w"): [2]}


def test_the_last_event_in_recorded_order_calls() -> None:
    windows = Windows()
    for number in (7, 3, 5):
        list(windows.join(number, DEBOUNCE, 0))
    assert members(windows.close(10)) == [((3, 5, 7), "time")]
