"""``ntbridge provenance``: show and verify the signed statements about results."""

import os
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from bridge.runtime.terminal import examples_of
from workflows.commands.host import ColumnsFlag, GivenHost, Host, OutputFlag
from workflows.errors import CommandError, NotGenuineError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from eventstore.database import Database
    from eventstore.events import StoredEvent
    from workflows.adapters.qlafs.verification import RunCheck

app = App(
    name="provenance",
    help="Show and verify the signed statements about the results of an event.",
)

KeyFlag = Annotated[tuple[Path, ...], Parameter(name="--key", negative=())]

SHOWN = ("run", "event", "kind", "agent", "sha256", "artifact", "covers", "key")
VERIFIED = ("run", "verdict", "statements", "events", "erased", "problems")

_STATE = ".ntbridge"
_PUBLIC_KEYS = (Path("worker/qlafs.pub"), Path("pipelines/qlafs.pub"))
"""Files of the worker of a dev stack, and of a worker that was started by hand."""


@app.command(help_epilogue=examples_of(["ntbridge provenance show order-4711"]))
async def show(
    correlation: str,
    *,
    output: OutputFlag = None,
    columns: ColumnsFlag = None,
    host: GivenHost,
) -> None:
    """Show the signed statements of all runs of an event, without verifying them.

    Parameters
    ----------
    correlation:
        Id of the first event of the chain.
    output:
        table (in a terminal), ndjson (in a pipe), wide, json or yaml.
    """
    runs = await _runs_of(correlation, host)
    rows = [row for events in runs for row in _statements(events)]
    if not rows:
        raise CommandError(f"the results of {correlation} have no signed statement")
    host.printer(output, SHOWN, columns).all(rows)


@app.command(
    help_epilogue=examples_of(["ntbridge provenance verify order-4711 --key qlafs.pub"])
)
async def verify(
    correlation: str,
    *,
    key: KeyFlag = (),
    output: OutputFlag = None,
    columns: ColumnsFlag = None,
    host: GivenHost,
) -> int:
    """Verify signatures, chain and digests of all events that the runs of an event emitted.

    Exits with code 1 if an event differs from what was signed, if no signature covers an event,
    or if nothing was signed. Events whose data were removed from the store ('ntbridge store prune',
    'erase') cannot be compared: they are counted as erased, and all others must be right. A run of
    which every statement was removed is 'erased'.

    Parameters
    ----------
    correlation:
        Id of the first event of the chain.
    key:
        PEM file of a public key to trust; may be repeated. Default: the keys that the workers
        have registered in the database, and .ntbridge/worker/qlafs.pub in this folder or above.
    output:
        table (in a terminal), ndjson (in a pipe), wide, json or yaml.
    """
    from workflows.adapters.qlafs.keys import load_public
    from workflows.adapters.qlafs.verification import verify_run

    trusted = load_public(key) if key else await _known_keys(host)
    runs, rows_deleted = await _runs_of(correlation, host), await _rows_deleted(host)
    checked = [verify_run(events, trusted, rows_deleted=rows_deleted) for events in runs]
    host.printer(output, VERIFIED, columns).all(_verdict(run) for run in checked)
    wrong = [run for run in checked if not run.ok and not run.unsigned]
    return 1 if wrong or not any(run.ok for run in checked) else 0


def _verdict(run: "RunCheck") -> dict[str, Any]:
    from workflows.messages.result_events import run_of

    verdict = "unsigned" if run.unsigned else "verified" if run.ok else "NOT VERIFIED"
    if run.ok and not run.statements:
        verdict = "erased"
    return {
        "run": run_of(run.stream),
        "verdict": verdict,
        "statements": len(run.statements),
        "events": run.covered,
        "erased": run.erased,
        "problems": "; ".join(run.problems),
    }


def _statements(events: list["StoredEvent"]) -> Iterable[dict[str, Any]]:
    import msgspec

    from workflows.adapters.qlafs import dsse
    from workflows.adapters.qlafs.signed import envelope_in
    from workflows.adapters.qlafs.statements import Statement
    from workflows.adapters.qlafs.verification import artifact_in
    from workflows.messages.result_events import run_of

    for stored in events:
        envelope = envelope_in(stored)
        if envelope is None:
            continue
        try:
            statement = msgspec.json.decode(dsse.payload_of(envelope), type=Statement)
        except (NotGenuineError, msgspec.DecodeError) as error:
            yield {
                "run": run_of(stored.stream),
                "event": stored.event.id,
                "kind": f"unreadable: {error}",
            }
            continue
        digest = statement.subject[0].digest.get("sha256", "") if statement.subject else ""
        artifact = artifact_in(events, digest)
        yield {
            "run": run_of(stored.stream),
            "event": stored.event.id,
            "kind": statement.predicateType.split("/")[-2],
            "agent": statement.predicate.agent,
            "sha256": digest,
            "artifact": artifact.event.id if artifact else None,
            "inputs": statement.predicate.inputs,
            "covers": len(statement.predicate.events),
            "key": ", ".join(signature.keyid for signature in envelope.signatures),
        }


async def _known_keys(host: Host) -> "Mapping[str, Ed25519PublicKey]":
    """Return the public keys that the workers have registered, and the one in a file, if any."""
    from workflows.adapters.qlafs.keys import load_public
    from workflows.adapters.qlafs.registered import registered_keys

    async with _database(host) as database:
        known = {**await registered_keys(database), **load_public(_found_keys())}
    if not known:
        raise CommandError(
            f"no worker has registered a key, and there is no {Path(_STATE) / _PUBLIC_KEYS[0]} "
            "in this folder or above: name the public key to trust by --key",
            2,
        )
    return known


@asynccontextmanager
async def _database(host: Host) -> AsyncIterator["Database"]:
    from eventstore.database import Database

    database = await Database.connect(
        host.servers.database_url, size=2, application_name="ntbridge-provenance"
    )
    try:
        yield database
    finally:
        await database.close()


async def _runs_of(correlation: str, host: Host) -> list[list["StoredEvent"]]:
    """Return all events of each run that an event started, in order."""
    from eventstore.filters import Filter
    from eventstore.store import EventStore
    from workflows.messages.result_events import run_of

    async with _database(host) as database:
        store = EventStore(database)
        where = Filter(correlation_id=correlation)
        streams = dict.fromkeys(
            [
                stored.stream
                async for stored in store.read_all(where=where)
                if run_of(stored.stream) is not None
            ]
        )
        if not streams:
            raise CommandError(
                f"no run has emitted a result of event {correlation}: check that it is the id of the "
                "first event of the chain and that the event was dispatched"
            )
        return [[stored async for stored in store.read_stream(stream)] for stream in streams]


async def _rows_deleted(host: Host) -> bool:
    from eventstore.removals import Removals

    async with _database(host) as database:
        return await Removals(database).any_rows_deleted()


def _found_keys() -> list[Path]:
    """Return the nearest file of a worker's public key, in this folder or above."""
    here, state = Path.cwd(), os.environ.get("NTBRIDGE_STATE") or _STATE
    files = [folder / state / key for folder in (here, *here.parents) for key in _PUBLIC_KEYS]
    return [file for file in files if file.is_file()][:1]
