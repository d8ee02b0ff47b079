"""`Settler`: the part of dispatch that commits outcomes, in groups, fenced by the partitions' leases.

A commit costs Postgres and the daemon nearly the same for one dispatch as for thirty, and on a busy
machine it takes processor time from calls. Therefore a group waits briefly for more outcomes while
other calls can be made; when there are none, lanes wait for the commit, and it is made at once.
"""

import asyncio
from collections.abc import Sequence

import structlog

from bridge.dispatch.ledger import Ledger, OpenCount, Settlement
from bridge.dispatch.ownership import Ownership
from bridge.dispatch.partitions import partition_of
from bridge.dispatch.queue import Called, NotCalled, Queue, Settled
from bridge.lifecycle.backoff import backoff
from bridge.lifecycle.services import rest
from bridge.telemetry import Telemetry
from eventstore.errors import Deposed, Unavailable
from eventstore.leases import Lease

log = structlog.get_logger(__name__)

LINGER_SECONDS = 0.02
"""Maximum time that an outcome waits for others."""


class Settler:
    """Writes outcomes in groups: all that arrived since the last commit. For one dispatcher.

    Args:
        ledger: Writes them.
        ownership: Has the leases that every commit asserts.
        telemetry: Records committed outcomes.
        opened: Counts open dispatches.
        answers: The outcomes.
        settled: Where the effects on lanes go.
        wake: Set when there are answers.
    """

    def __init__(
        self,
        ledger: Ledger,
        ownership: Ownership,
        telemetry: Telemetry,
        opened: OpenCount,
        answers: Queue[Called | NotCalled],
        settled: Queue[Settled],
        wake: asyncio.Event,
    ) -> None:
        self._ledger = ledger
        self._ownership = ownership
        self._telemetry = telemetry
        self._open = opened
        self._answers = answers
        self._settled = settled
        self._wake = wake
        self._writing = asyncio.Lock()
        self._finishing = asyncio.Event()

    async def run(self) -> None:
        """Write groups until cancelled."""
        while True:
            await self._wake.wait()
            await rest(self._answers.complete, LINGER_SECONDS)
            self._wake.clear()
            await self._flush()

    async def finish(self) -> None:
        """Write what is left once, without retries if the database is unavailable."""
        self._finishing.set()
        await self._flush()

    async def _flush(self) -> None:
        async with self._writing:
            answers = self._answers.read_all()
            back = [
                (each.ready.dispatch, each.again_in)
                for each in answers
                # Under another lease, the lane was taken again since.
                if isinstance(each, NotCalled) and self._ownership.holds(each.ready.lease)
            ]
            if back:
                self._settled.put(Settled((), back, 0))
            group = [each for each in answers if isinstance(each, Called)]
            attempt = 0
            while group:
                attempt += 1
                try:
                    await self._write(group)
                    group = []
                except Unavailable as error:
                    log.warning("dispatch.not_settled", error=str(error), dispatches=len(group))
                    if self._finishing.is_set():
                        # They stay open: a repeat with the same request ids has the same effects.
                        return
                    await rest(self._finishing, backoff(attempt))

    async def _write(self, group: Sequence[Called]) -> None:
        by_lease: dict[Lease, list[Called]] = {}
        for each in group:
            by_lease.setdefault(each.ready.lease, []).append(each)
        held = {lease: each for lease, each in by_lease.items() if self._ownership.holds(lease)}
        try:
            await self._commit(held)
        except Deposed:
            # One of the leases is lost: commit each partition alone, to keep the others.
            for lease, called in held.items():
                await self._commit_one(lease, called)

    async def _commit(self, by_lease: dict[Lease, list[Called]]) -> None:
        if not by_lease:
            return
        group = [each for called in by_lease.values() for each in called]
        settlements = [
            Settlement(each.ready.dispatch, each.outcome, each.ready.event) for each in group
        ]
        woken = await self._ledger.settle(settlements, list(by_lease))
        self._telemetry.settled([(each.dispatch, each.outcome) for each in settlements])
        settled = _settled(settlements, woken)
        self._open.ended(len(settled.ended))
        self._settled.put(settled)

    async def _commit_one(self, lease: Lease, called: list[Called]) -> None:
        try:
            await self._commit({lease: called})
        except Deposed as error:
            number = partition_of(called[0].ready.dispatch.key)
            log.warning("dispatch.deposed", partition=number, error=str(error))
            if self._ownership.holds(lease):
                self._ownership.lost({number})


def _settled(settlements: Sequence[Settlement], woken: int) -> Settled:
    ended = [each.dispatch for each in settlements if each.outcome.is_final]
    deferred = [
        (each.dispatch, each.outcome.pause) for each in settlements if not each.outcome.is_final
    ]
    return Settled(ended, deferred, woken)
