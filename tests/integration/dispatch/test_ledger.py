"""What is taken from the table: due, in order, never ahead of an earlier one of its key."""

from collections.abc import Sequence

import pytest

from bridge.dispatch.ledger import Crowded, Ledger
from bridge.dispatch.partitions import PARTITIONS, partition_of
from bridge.operations.base import Backlog, Dispatch
from bridge.routes.table import RouteTable
from bridge.sql import STATEMENTS
from eventstore.database import Connection, Row
from eventstore.store import EventStore
from tests.support.daemon_parts import Parts, route
from tests.support.statements import PLANNINGS, rows_read

NOTHING = Crowded((), ())
ALL = range(PARTITIONS)
ENDLESS = 2**40


def ledger(parts: Parts) -> Ledger:
    return Ledger(parts.database, EventStore(parts.database), "daemon")


async def test_none_is_taken_ahead_of_one_that_becomes_due_at_that_moment(parts: Parts) -> None:
    keys = 400
    for number in range(2):
        await parts.plan(*((f"k{key}", number) for key in range(keys)))
    # The first of each key becomes due at some moment of the next half second.
    await parts.database.execute(
        "update dispatches set next_attempt_at = clock_timestamp() + random() * '0.5 s'::interval"
        " where position in (select min(position) from dispatches group by key)"
    )
    firsts = {row["id"] for row in (await parts.rows())[:keys]}
    # Written again, the others lie behind them, and are looked at later in the same statement.
    await parts.database.execute(
        "update dispatches set attempts = 0 where id <> all ($1)", list(firsts)
    )
    reader, taken = ledger(parts), list[Dispatch]()
    while len(taken) < 2 * keys:
        taken = await reader.take(ALL, [], NOTHING, 2 * keys, ENDLESS)
        seen = {each.key for each in taken if each.id in firsts}
        assert seen == {each.key for each in taken}, "a second without its first"


async def test_others_partitions_what_is_in_hand_and_what_is_crowded_stay_where_they_are(
    parts: Parts,
) -> None:
    parts.routes = RouteTable(
        [route("odd", when="data.number % 2 == 1"), route("even", when="data.number % 2 == 0")]
    )
    await parts.plan(*((f"k{key}", number) for number in range(4) for key in range(8)))
    reader = ledger(parts)
    rows = await parts.rows()

    async def taken(**changes: object) -> list[tuple[str, int]]:
        asked = {"partitions": ALL, "in_hand": [], "crowded": NOTHING, "most": 100}
        asked = {**asked, "most_bytes": ENDLESS, **changes}
        return [(each.key, each.position) for each in await reader.take(**asked)]  # type: ignore[arg-type]

    everything = [(row["key"], row["position"]) for row in rows]
    assert await taken() == everything
    assert await taken(most=5) == everything[:5]
    size = len((await reader.take(ALL, [], NOTHING, 1, ENDLESS))[0].call)
    assert await taken(most_bytes=1) == everything[:1], "one at least, or nothing would go on"
    assert await taken(most_bytes=2 * size + 1) == everything[:3]
    mine = {partition_of("k0"), partition_of("k1")}
    assert await taken(partitions=list(mine)) == [
        each for each in everything if partition_of(each[0]) in mine
    ]
    assert await taken(in_hand=[row["id"] for row in rows[:8]]) == everything[8:]
    assert await taken(crowded=Crowded(("k3",), ())) == [
        each for each in everything if each[0] != "k3"
    ]
    # The even ones are the first of each key: with them left out, nothing may go ahead.
    assert await taken(crowded=Crowded((), ("even",))) == []
    # Unless what is left out is in hand, and so ahead in its lane already.
    evens = [row["id"] for row in rows if row["route"] == "even"]
    assert await taken(crowded=Crowded((), ("even",)), in_hand=evens) == [
        (row["key"], row["position"]) for row in rows if row["route"] == "odd"
    ]


STATISTICS = ("none", "of an empty table", "of a few rows", "of settled rows", "that mislead")
"""What the planner knows of a backlog that has just come."""


async def backlog_of(parts: Parts, statistics: str, *, dispatches: int = 2000) -> None:
    """Plan dispatches to ten keys; the table was analysed before, or never."""
    await parts.database.execute("alter table dispatches set (autovacuum_enabled = false)")
    if statistics == "of a few rows":
        await parts.plan(*((f"few{n}", n) for n in range(20)))
    if statistics == "of settled rows":
        for _ in range(4):
            await parts.plan(*((f"k{n % 10}", n) for n in range(400)))
        await parts.database.execute(
            "update dispatches set state = 'done', settled_at = planned_at where id > 20"
        )
    if statistics != "none":
        await parts.database.execute("analyze dispatches")
    await parts.database.execute("delete from dispatches where state = 'open'")
    for start in range(0, dispatches, 400):
        await parts.plan(*((f"k{n % 10}", n) for n in range(start, start + 400)))
    if statistics == "that mislead":
        # From a moment at which all were deferred, and the indexes in the order of events nearly empty.
        later = "update dispatches set next_attempt_at = next_attempt_at + make_interval(hours => $1)"
        await parts.database.execute(later, 1)
        await parts.database.execute("analyze dispatches")
        await parts.database.execute(later, -1)
        await parts.database.execute(
            "update pg_class set relpages = 1, reltuples = 1"
            " where relname in ('dispatches_due', 'dispatches_of_route')"
        )


@pytest.mark.parametrize("planned", ["before the backlog came", "for it"])
@pytest.mark.parametrize("statistics", STATISTICS)
async def test_a_page_of_a_backlog_reads_little_more_than_itself(
    parts: Parts, statistics: str, planned: str
) -> None:
    page = 100
    async with parts.database.transaction() as connection:

        async def take(in_hand: Sequence[int]) -> Sequence[Row]:
            return await connection.fetch(
                STATEMENTS["take_dispatches"], "", list(ALL), in_hand, page, [], [], ENDLESS
            )

        if planned == "before the backlog came":
            assert await take([]) == []
        await backlog_of(parts, statistics)
        in_hand = [row["id"] for row in await take([])]
        before = await rows_read(connection, "dispatches")
        taken = await take(in_hand)
        after = await rows_read(connection, "dispatches")
    assert len(taken) == page
    # The page, what is in hand ahead of it, and a look at its lanes for each: not all that is open.
    assert after - before <= 5 * page


@pytest.mark.parametrize("statistics", STATISTICS)
async def test_settling_a_few_reads_those_and_not_all_that_are_open(
    parts: Parts, statistics: str
) -> None:
    await backlog_of(parts, statistics)
    few = await ledger(parts).take(ALL, [], NOTHING, 6, ENDLESS)
    async with parts.database.transaction() as connection:
        read = await read_to_settle(connection, [each.id for each in few])
    settled = {row["id"] for row in await parts.rows() if row["state"] == "done"}
    assert settled >= {each.id for each in few}
    assert read <= 5 * len(few)


async def test_settling_a_few_reads_those_by_a_plan_that_was_made_for_a_small_table(
    parts: Parts,
) -> None:
    # This comes first: after it, or after an ANALYZE, Postgres makes new plans.
    await parts.database.execute("alter table dispatches set (autovacuum_enabled = false)")
    await parts.plan(*((f"early{n}", n) for n in range(60)))
    async with parts.database.transaction() as connection:
        for _ in range(PLANNINGS):
            await read_to_settle(connection, [-1, -2, -3])
        for start in range(0, 2000, 400):
            await parts.plan(*((f"k{n % 10}", n) for n in range(start, start + 400)))
        few = await ledger(parts).take(ALL, [], NOTHING, 6, ENDLESS)
        read = await read_to_settle(connection, [each.id for each in few])
    assert read <= 5 * len(few)


async def read_to_settle(connection: Connection, ids: Sequence[int]) -> int:
    """Settle dispatches; return how many rows of the table that read."""
    nothing = [None] * len(ids)
    before = await rows_read(connection, "dispatches")
    await connection.fetch(
        STATEMENTS["settle_dispatches"],
        ids,
        ["done"] * len(ids),
        [f"run-{each}" for each in ids],
        nothing,
        nothing,
        "daemon",
        [False] * len(ids),
        *([], [], "5s"),
    )
    return await rows_read(connection, "dispatches") - before


async def test_what_a_paused_route_left_open_is_neither_taken_nor_read_nor_counted(
    parts: Parts,
) -> None:
    parts.routes = RouteTable([route("shop"), route("billing", when="data.number > 99999.0")])
    await parts.plan(*((f"k{number}", number) for number in range(300)))
    many, page = 20_000, 100
    await parts.database.execute(
        "insert into dispatches (uid, position, route, route_digest, operation, key, target,"
        " request_id, call, state, partition)"
        " select gen_random_uuid(), -n, 'billing', '', 'start', 'b' || n, 'b' || n,"
        " gen_random_uuid(), '{}', 'open', 0 from generate_series(1, $1::int) n",
        many,
    )
    await parts.database.execute(
        "insert into pauses values ('route', 'billing', now(), 'a', '')"
    )
    await parts.database.execute("analyze dispatches")
    reader = ledger(parts)
    async with parts.database.transaction() as connection:
        before = await rows_read(connection, "dispatches")
        taken = await connection.fetch(
            *(STATEMENTS["take_dispatches"], "", list(ALL), [], page, [], ["billing"], ENDLESS)
        )
        counted = await connection.fetchrow(STATEMENTS["count_open_dispatches"], "")
        after = await rows_read(connection, "dispatches")
    assert len(taken) == page
    assert counted is not None
    assert counted["dispatches"] == 300
    assert after - before <= many / 10
    assert (await reader.backlog()).dispatches == 300


async def test_the_backlog_is_what_is_open_and_its_size(parts: Parts) -> None:
    reader = ledger(parts)
    assert await reader.backlog() == Backlog(0, 0)
    await parts.plan(*((f"k{number}", number) for number in range(3)))
    await parts.database.execute("update dispatches set state = 'waiting' where key = 'k0'")
    backlog = await reader.backlog()
    assert backlog.dispatches == 2
    assert backlog.bytes > 20
