"""The console with the least rights: it acts as ntbridge_console, and shows everything as ntbridge_reader."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.console.conftest import Console
from tests.integration.console.test_actions import (
    test_a_group_is_previewed_and_redriven_with_a_reason,
    test_one_letter_is_dropped_and_its_page_says_by_whom,
)
from tests.integration.console.test_pauses import (
    test_a_route_is_paused_and_resumed_and_every_page_says_so,
)
from tests.integration.console.test_replays import (
    test_a_replay_is_stopped_and_continued,
    test_what_was_counted_is_replayed,
)
from tests.support.roles import login

# The tests of actions, with a login that has no other role.
__all__ = [
    "test_a_group_is_previewed_and_redriven_with_a_reason",
    "test_a_replay_is_stopped_and_continued",
    "test_a_route_is_paused_and_resumed_and_every_page_says_so",
    "test_one_letter_is_dropped_and_its_page_says_by_whom",
    "test_what_was_counted_is_replayed",
]


@pytest.fixture
async def url(migrated_database_url: str) -> AsyncIterator[str]:
    async with login(migrated_database_url, "ntbridge_console") as dsn:
        yield dsn


async def test_it_may_act(console: Console) -> None:
    assert console.parts.may_write
