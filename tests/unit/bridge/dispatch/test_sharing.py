"""How a limit is divided among daemons."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.dispatch.sharing import MAX_UNITS, quota, request_lease, unit_lease, units_of, worth

daemons = st.lists(st.text("abc", min_size=1), min_size=1, max_size=40, unique=True)


@given(st.integers(1, 1_000_000))
def test_units_are_worth_the_limit_together_and_nearly_the_same(limit: int) -> None:
    parts = [worth(unit, limit) for unit in range(units_of(limit))]
    assert sum(parts) == limit
    assert max(parts) - min(parts) <= 1
    assert min(parts) >= 1
    assert len(parts) <= MAX_UNITS


@given(st.integers(1, MAX_UNITS), daemons)
def test_parts_are_fair_and_use_all_units(units: int, asking: list[str]) -> None:
    parts = [quota(units, each, asking, turn_is_over=False) for each in asking]
    if len(asking) <= units:
        assert sum(parts) == units
        assert max(parts) - min(parts) <= 1
    else:
        # They take turns, each with one unit.
        assert set(parts) == {1}
        assert quota(units, asking[0], asking, turn_is_over=True) == 0


def test_names_of_leases() -> None:
    assert unit_lease("shop", "rate", 3) == "limit/shop/rate/3"
    assert request_lease("shop", "calls", "0") == "limit/shop/calls/requests/0"
