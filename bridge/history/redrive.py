"""Redrive: retry dead letters with today's program and today's routes.

Each letter is redriven in one transaction, which locks the letter, does the work and closes the
letter. After a crash anywhere, the letter is either open and nothing has happened, or closed and
all of it has. A failure leaves the letter open and adds the reason to its history.

=========  ============================================================================
stage      what a redrive does
=========  ============================================================================
intake     decodes the bytes again, records the event and plans it by today's routes, as if
           the message had arrived now, after all that arrived since
dispatch   today's route of that name plans the event again, as a new generation with its
           own request id, so that Temporal does not take it for a repeat of the first one. A call for
           a window is planned again with the same events, and waits for no others
relay      publishes the event late, after the result events that were published since.
           NATS is not part of the transaction: after a crash between PubAck and commit, the
           letter is open and the event is published; another redrive publishes the same
           event (same source and id, same message id within the duplicate window)
=========  ============================================================================

The effects of a redriven event are late: later events of its key may have been dispatched before.
"""

from typing import Literal, Protocol
from uuid import UUID

import msgspec

from bridge.cloudevents.headers import Headers
from bridge.dead_letters.store import DeadLetters, WholeLetter, close, lock
from bridge.errors import BridgeError
from bridge.evaluation import Evaluator
from bridge.history.redriven_window import NotRedriven, call_again
from bridge.intake.consumer import Delivery
from bridge.intake.decision import Accepted, Counted, PassedOver, SetAside, judge_apart
from bridge.intake.recorder import Recorder
from bridge.intake.rows import insert_dispatches
from bridge.routes.table import PlannedDispatch, RouteTable
from bridge.sql import STATEMENTS
from eventstore.database import Connection, Database
from eventstore.errors import Unavailable
from eventstore.events import StoredEvent
from eventstore.store import EventStore

RedriveOutcome = Literal["redriven", "would-redrive", "left-open", "not-open"]


class LatePublisher(Protocol):
    """Publishes a result event that the relay has set aside."""

    async def publish(self, stored: StoredEvent) -> str:
        """Publish it; return its stream and sequence, in words.

        Raises:
            BridgeError: It cannot be published; the message says why.
        """
        ...


class Redriven(msgspec.Struct, frozen=True, kw_only=True):
    """The result of the redrive of one letter."""

    letter: int
    outcome: RedriveOutcome
    detail: str


class _Undo(Exception):  # noqa: N818 - rolls a transaction back deliberately
    def __init__(self, result: Redriven) -> None:
        super().__init__()
        self.result = result


class Redriver:
    """Redrives dead letters, one after another.

    Args:
        database: Dead letters, dispatches and events.
        store: The event store in it.
        routes: Today's routes.
        evaluator: Evaluates them.
        max_hops: The limit that intake applies.
        late: Publishes result events that the relay has set aside.
        who: The operator, for the letters' history.
    """

    def __init__(
        self,
        database: Database,
        store: EventStore,
        routes: RouteTable,
        evaluator: Evaluator,
        *,
        max_hops: int,
        late: LatePublisher,
        who: str,
    ) -> None:
        self._database = database
        self._store = store
        self._routes = routes
        self._evaluator = evaluator
        self._max_hops = max_hops
        self._late = late
        self._who = who
        self._letters = DeadLetters(database)
        self._recorder = Recorder(database, store)

    async def redrive(self, number: int) -> Redriven:
        """Redrive a letter.

        Raises:
            Unavailable: The database cannot be reached; the letter is unchanged, or closed.
        """
        try:
            async with self._database.transaction() as connection:
                result = await self._attempt(connection, number, dry_run=False)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one letter's fault must not stop the others
            reason = _why(error)
            await self._letters.leave_open(number, self._who, reason)
            return Redriven(letter=number, outcome="left-open", detail=reason)
        if result.outcome == "redriven":
            self._store.announce()
        return result

    async def try_out(self, number: int) -> Redriven:
        """Return what a redrive would do, and change nothing.

        Raises:
            Unavailable: The database cannot be reached.
        """
        try:
            async with self._database.transaction() as connection:
                undone = await self._attempt(connection, number, dry_run=True)
                raise _Undo(undone)  # noqa: TRY301 - rolls back what was written
        except _Undo as undo:
            return undo.result
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one letter's fault must not stop the others
            return Redriven(letter=number, outcome="left-open", detail=_why(error))

    async def _attempt(self, connection: Connection, number: int, *, dry_run: bool) -> Redriven:
        letter = await lock(connection, number)
        if letter is None:
            return Redriven(
                letter=number, outcome="not-open", detail="closed already, or unknown"
            )
        uid, detail = await self._effect(connection, letter, dry_run=dry_run)
        await close(connection, number, self._who, detail, uid)
        outcome: RedriveOutcome = "would-redrive" if dry_run else "redriven"
        return Redriven(letter=number, outcome=outcome, detail=detail)

    async def _effect(
        self, connection: Connection, letter: WholeLetter, *, dry_run: bool
    ) -> tuple[UUID | None, str]:
        match letter.stage:
            case "intake":
                return await self._record(connection, letter)
            case "dispatch":
                return letter.uid, await self._plan_again(connection, letter)
            case "relay":
                return letter.uid, await self._publish(letter, dry_run=dry_run)

    async def _record(
        self, connection: Connection, letter: WholeLetter
    ) -> tuple[UUID | None, str]:
        delivery = delivery_of(letter)
        judged = await judge_apart(self._evaluator, self._routes, delivery, self._max_hops)
        if isinstance(judged, PassedOver):
            raise NotRedriven(f"the message is not an event: {judged.reason}; drop the letter")
        if isinstance(judged, SetAside):
            raise NotRedriven(f"{judged.code}: {judged.reason}")
        if isinstance(judged, Counted):
            # An operator asks for this one message, so it is kept.
            judged = Accepted(delivery, judged.event, ())
        recorded = await self._recorder.record_on(connection, [judged])
        verdict, uid = recorded.verdicts[0], judged.event.uid
        if verdict in ("conflict", "set-aside"):
            raise NotRedriven(
                "the store already has another body under this source and id, and keeps it: "
                "drop this letter, or publish its data again under a new id"
            )
        await connection.execute(
            STATEMENTS["answer_delivery"],
            delivery.stream,
            delivery.stream_created,
            delivery.sequence,
            verdict,
            uid,
        )
        return uid, _described(judged, verdict)

    async def _plan_again(self, connection: Connection, letter: WholeLetter) -> str:
        stored = await self._stored(letter)
        name = letter.route or ""
        if name not in self._routes.by_name:
            raise NotRedriven(
                f"route {name!r} no longer exists: restore it under that name, or drop "
                "the letter"
            )
        latest = await connection.fetchrow(STATEMENTS["latest_generation"], stored.uid, name)
        own = letter.generation or 1
        if latest is not None and (latest["generation"] > own or latest["state"] != "dead"):
            raise NotRedriven(
                f"generation {latest['generation']} of this dispatch is {latest['state']}: "
                "this letter belongs to an earlier generation; drop it"
            )
        planned = await self._planned(stored, name, own + 1)
        members = () if latest is None else latest["member_ids"] or ()
        call = await call_again(
            connection, self._store, self._planned, (stored, planned), members, str(letter.id)
        )
        await insert_dispatches(connection, call.planned)
        return (
            f"planned again as generation {planned.generation}: {planned.operation} "
            f"{planned.target}"
            + (f" in namespace {planned.namespace}" if planned.namespace else "")
            + call.words
        )

    async def _planned(
        self, stored: StoredEvent, name: str, generation: int
    ) -> PlannedDispatch:
        verdicts = await self._evaluator.explain(
            self._routes, stored.topic or "", stored.event, generation
        )
        verdict = next(verdict for verdict in verdicts if verdict.route == name)
        if verdict.state != "matched" or verdict.plan is None:
            does = "fails on" if verdict.state == "failed" else "does not match"
            raise NotRedriven(f"today's route {name!r} {does} the event: {verdict.reason}")
        return verdict.plan

    async def _publish(self, letter: WholeLetter, *, dry_run: bool) -> str:
        stored = await self._stored(letter)
        if dry_run:
            return f"published late on {stored.topic}, if NATS accepts it now"
        try:
            return f"published late: {await self._late.publish(stored)}"
        except BridgeError as error:
            raise NotRedriven(str(error)) from error

    async def _stored(self, letter: WholeLetter) -> StoredEvent:
        stored = None if letter.uid is None else await self._store.get(letter.uid)
        if stored is None:
            raise NotRedriven(f"the event {letter.uid} is not in the store")
        if stored.removal is not None:
            raise NotRedriven(
                f"the data of the event {letter.uid} was removed from the store (removal "
                f"{stored.removal}): drop the letter, or 'ntbridge replay --include-archive'"
            )
        return stored


def delivery_of(letter: WholeLetter) -> Delivery:
    """Return the delivery of a letter of the stage ``intake``, byte for byte.

    Raises:
        NotRedriven: The letter does not name its message.
    """
    if letter.stream is None or letter.stream_created is None or letter.sequence is None:
        raise NotRedriven("the letter does not name its message (stream and sequence): drop it")
    return Delivery(
        stream=letter.stream,
        stream_created=letter.stream_created,
        sequence=letter.sequence,
        topic=(
            (letter.topic or "")
            if letter.subject is None
            else letter.subject.decode("utf-8", "surrogateescape")
        ),
        headers=Headers.of(letter.headers),
        payload=letter.payload or b"",
        reply="",
        arrived_ns=letter.arrived_ns,
    )


def _described(judged: Accepted, verdict: str) -> str:
    match verdict:
        case "repeat":
            return "the event was recorded before; nothing is planned"
        case "unmatched":
            return "recorded; none of today's routes matches"
        case _:
            plans = ", ".join(
                f"{plan.route} ({plan.operation} {plan.target})"
                if plan.state == "open"
                else f"{plan.route} (dead: another dead letter says why)"
                for plan in judged.plan
            )
            return f"recorded and planned: {plans}"


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, NotRedriven) else f"{type(error).__name__}: {error}"
