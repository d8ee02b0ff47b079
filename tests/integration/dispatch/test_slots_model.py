"""Slots in the tables against the plain model, step by step."""

import asyncio
from itertools import count

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bridge.closures.runs import RunState
from bridge.flow.plan import SlotPlan, WhenFull
from bridge.flow.slots import Changes, Slots, Ticket
from eventstore.database import Database
from tests.support.slot_rows import SlotRows

pytestmark = pytest.mark.slow

KEYS = ("a", "b")
POLICIES: tuple[WhenFull, ...] = ("queue", "skip", "replace_queued", "cancel_running")


class SlotMachine(RuleBasedStateMachine):
    """Plans, outcomes and ends of runs in any order; after each, the tables agree with the model."""

    runner: asyncio.Runner
    database: Database

    def __init__(self) -> None:
        super().__init__()
        self._runner = self.runner
        self._runner.run(self.database.execute("truncate dispatches, slots, runs"))
        self._rows = SlotRows(self.database)
        self._slots = Slots()
        self._states: dict[int, str] = {}
        self._runs: dict[int, str] = {}
        self._cancelled: set[int] = set()
        self._last = 1000
        self._first = 1000
        self._names = count()

    @rule(
        keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=4),
        when_full=st.sampled_from(POLICIES),
        limit=st.integers(1, 2),
        is_old=st.booleans(),
    )
    def plan(self, keys: list[str], when_full: WhenFull, limit: int, *, is_old: bool) -> None:
        # A replay plans events that are older than those in the queue.
        start = self._first - len(keys) if is_old else self._last + 1
        self._first, self._last = min(self._first, start), max(self._last, start + len(keys))
        for key in KEYS:  # one transaction for each, as the batches of two sources
            positions = [start + at for at, each in enumerate(keys) if each == key]
            slot = SlotPlan(key=key, limit=limit, when_full=when_full)
            numbers = self._runner.run(self._rows.plan(slot, positions))
            for position, number in zip(positions, numbers, strict=True):
                self._states[number] = "queued"
                self._apply(self._slots.ask(Ticket(position, number, key, slot)))

    def _open(self) -> list[int]:
        return [number for number, state in self._states.items() if state == "open"]

    @precondition(lambda self: self._open())
    @rule(
        data=st.data(),
        how=st.sampled_from(["run", "run", "none", "dead", "collision", "open"]),
        most=st.integers(1, 3),
    )
    def settle(self, data: st.DataObject, how: str, most: int) -> None:
        chosen = data.draw(
            st.lists(st.sampled_from(self._open()), min_size=1, max_size=most, unique=True)
        )
        state = {"run": "done", "none": "done"}.get(how, how)
        outcomes: dict[int, tuple[str, str | None]] = {
            number: (state, f"r{next(self._names)}" if how == "run" else None)
            for number in chosen
        }
        granted = self._runner.run(self._rows.settle(outcomes))
        if how == "open":
            assert granted == 0
            return
        for number, (_, run) in outcomes.items():
            self._states[number] = state
            if run is not None:
                self._runs[number] = run
        freed = [] if how == "run" else sorted(chosen)
        assert granted == sum(self._free(number) for number in freed)

    @precondition(lambda self: self._runs)
    @rule(data=st.data(), state=st.sampled_from(["announced", "foreign", "lost", "open"]))
    def end(self, data: st.DataObject, state: RunState) -> None:
        number = data.draw(st.sampled_from(sorted(self._runs)))
        granted = self._runner.run(self._rows.end([self._runs[number]], state))
        if state == "open":
            assert granted == 0
            return
        del self._runs[number]
        assert granted == self._free(number)

    @rule()
    def sweep(self) -> None:
        assert self._runner.run(self._rows.sweep()) == (0, 0)

    def _free(self, number: int) -> int:
        self._cancelled.discard(number)
        changes = self._slots.free(number)
        self._apply(changes)
        return len(changes.granted)

    def _apply(self, changes: Changes) -> None:
        self._states |= dict.fromkeys(changes.granted, "open")
        self._states |= dict.fromkeys((*changes.skipped, *changes.replaced), "skipped")
        self._cancelled |= set(changes.cancelled)

    @invariant()
    def the_tables_agree(self) -> None:
        assert self._runner.run(self._rows.states()) == self._states
        held = {key: self._slots.holders(key) for key in KEYS if self._slots.holders(key)}
        assert self._runner.run(self._rows.held()) == held
        assert self._runner.run(self._rows.cancelled()) == self._cancelled


def compare(url: str) -> None:
    """Compare in a loop of the machine's own, with one connection for all examples."""
    with asyncio.Runner() as runner:
        database = runner.run(Database.connect(url, size=2, deadline=120))
        machine = type("Machine", (SlotMachine,), {"runner": runner, "database": database})
        wanted = settings(
            max_examples=30,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )
        try:
            run_state_machine_as_test(machine, settings=wanted)
        finally:
            runner.run(database.close())


async def test_the_tables_do_what_the_model_does(migrated_database_url: str) -> None:
    await asyncio.to_thread(compare, migrated_database_url)
