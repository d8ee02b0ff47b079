"""Finding events: by any id, by attributes, by a condition, in bounded steps."""

import pytest

from bridge.errors import ExpressionError
from bridge.evaluation import Evaluator
from bridge.inspect.search import EventQuery, Search
from eventstore.database import Database
from eventstore.events import Origin
from eventstore.filters import Filter
from eventstore.store import EventStore
from tests.support.past import dispatched, recorded


async def test_an_event_is_found_by_each_id_that_leads_to_it(
    database: Database, store: EventStore, evaluator: Evaluator
) -> None:
    order = await recorded(store, "order-1", {"total": 7})
    await dispatched(database, order, target="ship/1")
    result = await recorded(
        store, "shipped-1", stream="run-ship/1", origin=Origin.EMITTED, cause=order
    )
    await recorded(store, "order-2")
    search = Search(database, store, evaluator)

    async def found(wanted: str) -> list[tuple[str, str]]:
        return [(kind, each.event.id) for kind, each in await search.by_id(wanted, 10)]

    assert await found("order-1") == [("event", "order-1"), ("correlation", "shipped-1")]
    assert await found(str(result.uid)) == [("event", "shipped-1")]
    assert await found("ship/1") == [("workflow", "shipped-1"), ("workflow", "order-1")]
    assert await found("nothing") == []


async def test_a_search_by_attributes_and_data_pages_backwards(
    database: Database, store: EventStore, evaluator: Evaluator
) -> None:
    for number in range(6):
        await recorded(
            store,
            f"order-{number}",
            {"number": number},
            subject="even" if number % 2 == 0 else "odd",
        )
    search = Search(database, store, evaluator)
    query = EventQuery(where=Filter(subject="even"), condition="data.number < 4.0")
    first = await search.page(query, 1)
    assert [each.event.id for each in first.events] == ["order-2"]
    assert first.is_full
    second = await search.page(query, 5, before=first.reached)
    assert [each.event.id for each in second.events] == ["order-0"]
    assert not second.has_more

    everything = await search.page(EventQuery(), 4)
    assert [each.event.id for each in everything.events] == [f"order-{n}" for n in (5, 4, 3, 2)]
    assert everything.has_more


async def test_a_search_whose_time_is_over_says_how_far_it_came(
    database: Database, store: EventStore, evaluator: Evaluator
) -> None:
    for number in range(3):
        await recorded(store, f"order-{number}")
    await database.execute("select setval('events_position_seq', 30000)")
    await recorded(store, "last")
    query = EventQuery(where=Filter(type_prefix="com.nothing"))
    hasty = Search(database, store, evaluator, seconds=0.0)
    page = await hasty.page(query, 10)
    assert (page.events, page.is_full) == ([], False)
    assert 3 < page.reached <= 30_001
    rest = await hasty.page(query, 10, before=page.reached)
    assert not rest.has_more


def test_a_condition_that_does_not_compile_is_refused() -> None:
    with pytest.raises(ExpressionError):
        EventQuery(condition="data.n +")
