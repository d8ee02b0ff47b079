"""What may be taken, by a naive model: random tables, read by the statement and by the model."""

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.dispatch.ledger import Crowded, Ledger
from bridge.dispatch.partitions import PARTITIONS
from eventstore.store import EventStore
from tests.support.daemon_parts import Parts

KEYS = ("k0", "k1")
TARGETS = ("t0", "t1", "t2")
ROUTES = ("r0", "r1", "r2")
TABLES = 150
_INSERT = """
insert into dispatches (uid, position, route, route_digest, operation, key, target, request_id, call,
                        partition, state, next_attempt_at, starts, wait_for)
values (gen_random_uuid(), $1, $2, '', 'signal', $3, $4, gen_random_uuid(), '{}', 0, $5, $6, $7, $8)
returning id
"""

Line = Mapping[str, Any]


def holds(earlier: Line, later: Line, left_out: Sequence[str], in_hand: Sequence[int]) -> bool:
    """Whether an earlier dispatch keeps a later one from being taken."""
    if earlier["key"] != later["key"] or earlier["position"] >= later["position"]:
        return False
    if earlier["state"] == "waiting" and (
        later["starts"] or earlier["target"] != later["target"]
    ):
        return False
    out = earlier["route"] in left_out and earlier["id"] not in in_hand
    return out or not earlier["due"]


def taken(table: Sequence[Line], left_out: Sequence[str], in_hand: Sequence[int]) -> list[int]:
    """The positions that may be taken."""
    return [
        each["position"]
        for each in table
        if each["due"]
        and each["state"] in ("open", "waiting")
        and each["id"] not in in_hand
        and each["route"] not in left_out
        and not any(
            holds(other, each, left_out, in_hand)
            for other in table
            if other["state"] in ("open", "waiting")
        )
    ]


@pytest.mark.parametrize("seed", [1, 2])
async def test_what_is_taken_is_what_the_model_says(parts: Parts, seed: int) -> None:
    draw = random.Random(seed)
    ledger = Ledger(parts.database, EventStore(parts.database), "daemon")
    now = datetime.now(UTC)
    for _ in range(TABLES):
        await parts.database.execute("delete from dispatches")
        table = []
        for position in range(1, draw.randint(2, 9)):
            state = draw.choice(("open", "open", "waiting", "waiting"))
            line: dict[str, Any] = {
                "position": position,
                "route": draw.choice(ROUTES),
                "key": draw.choice(KEYS),
                "target": draw.choice(TARGETS),
                "state": state,
                "due": draw.random() < 0.6,
                "starts": state == "open" and draw.random() < 0.4,
            }
            line["id"] = await parts.database.fetchval(
                _INSERT,
                position,
                line["route"],
                line["key"],
                line["target"],
                state,
                now + timedelta(days=-1 if line["due"] else 1),
                line["starts"],
                60.0 if state == "waiting" else None,
            )
            table.append(line)
        left_out = draw.choice(((), ("r0",), ("r0",), ("r0", "r2")))
        most = draw.choice((1, 2, 100))
        # What is in hand was due when it was taken.
        due = [line["id"] for line in table if line["due"]]
        in_hand = draw.sample(due, draw.randint(0, len(due)))
        found = await ledger.take(
            range(PARTITIONS), in_hand, Crowded((), left_out), most, 2**30
        )
        assert [each.position for each in found] == taken(table, left_out, in_hand)[:most], (
            table
        )
