"""The migrations' files, before any server sees them."""

import pytest

from bridge.sql.storage import COMPONENTS
from eventstore.migrate import Component, script


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda each: str(each.name))
def test_migrations_are_numbered_in_order_without_a_number_taken_twice(
    component: Component,
) -> None:
    assert script([component])
