"""How often Temporal is asked what has closed."""

import pytest

from bridge.closures.tracker import pause_after


@pytest.mark.parametrize(
    ("took", "pause"),
    [(0.0, 0.5), (0.01, 0.5), (0.05, 2.0), (0.06, 2.4), (0.2, 3.0), (60.0, 3.0)],
)
def test_a_list_that_costs_much_is_asked_for_less_often(took: float, pause: float) -> None:
    assert pause_after(took) == pytest.approx(pause)
