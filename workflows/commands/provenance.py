"""``ntbridge provenance``: what vouches for the results of an event, and whether it holds."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from workflows.commands.host import GivenHost, Host, OutputFlag
from workflows.errors import CommandError, NotGenuineError

if TYPE_CHECKING:
    from eventstore.events import StoredEvent
    from workflows.adapters.qlafs.verification import Checked

app = App(name="provenance", help="Show and verify what vouches for the results of an event.")

KeyFlag = Annotated[tuple[Path, ...], Parameter(name="--key", negative=())]

SHOWN = ("run", "event", "kind", "agent", "sha256", "artifact", "covers", "key")
VERIFIED = ("run", "verdict", "statements", "events", "problems")

_STATE = ".ntbridge"
_PUBLIC_KEYS = (Path("worker/qlafs.pub"), Path("pipelines/qlafs.pub"))
"""Of the worker of a stack, and of one that was started by hand."""


@app.command
async def show(correlation: str, *, output: OutputFlag = None, host: GivenHost) -> None:
    """Show the signed statements of all runs that an event led to. They are not checked.

    Parameters
    ----------
    correlation:
        The id of the event that began it all.
    output:
        How to print them.
    """
    runs = await _runs_of(correlation, host)
    rows = [row for events in runs for row in _statements(events)]
    if not rows:
        raise CommandError(f"nothing vouches for the results of {correlation}")
    host.printer(output, SHOWN).all(rows)


@app.command
async def verify(
    correlation: str, *, key: KeyFlag = (), output: OutputFlag = None, host: GivenHost
) -> int:
    """Check signatures, chain and digests of all that the runs of an event have told.

    Ends with exit code 1 when something is not as it was signed, when something that was told is
    covered by no signature, or when nothing was signed at all.

    Parameters
    ----------
    correlation:
        The id of the event that began it all.
    key:
        The public key to trust, a PEM file; may be given more than once. Default: that of the
        worker in this folder or above it, .ntbridge/worker/qlafs.pub.
    output:
        How to print what was found.
    """
    from workflows.adapters.qlafs.keys import load_public
    from workflows.adapters.qlafs.verification import verify_run

    trusted = load_public(key or [_found_key()])
    checked = [verify_run(events, trusted) for events in await _runs_of(correlation, host)]
    host.printer(output, VERIFIED).all(_verdict(run) for run in checked)
    wrong = [run for run in checked if not run.ok and not run.unsigned]
    return 1 if wrong or not any(run.ok for run in checked) else 0


def _verdict(run: "Checked") -> dict[str, Any]:
    from workflows.messages.result_events import run_of

    verdict = "unsigned" if run.unsigned else "verified" if run.ok else "NOT VERIFIED"
    return {
        "run": run_of(run.stream),
        "verdict": verdict,
        "statements": len(run.statements),
        "events": run.covered,
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


async def _runs_of(correlation: str, host: Host) -> list[list["StoredEvent"]]:
    """Return the events of each run that an event led to, complete and in their order."""
    from eventstore.database import Database
    from eventstore.filters import Filter
    from eventstore.store import EventStore
    from workflows.messages.result_events import run_of

    database = await Database.connect(
        host.servers.database_url, size=2, application_name="ntbridge-provenance"
    )
    try:
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
                f"no run has told anything about an event {correlation}: is it the id of the "
                "event that began it, and has it been dispatched?"
            )
        return [[stored async for stored in store.read_stream(stream)] for stream in streams]
    finally:
        await database.close()


def _found_key() -> Path:
    here, state = Path.cwd(), os.environ.get("NTBRIDGE_STATE") or _STATE
    for folder in (here, *here.parents):
        for key in _PUBLIC_KEYS:
            if (folder / state / key).is_file():
                return folder / state / key
    raise CommandError(
        f"there is no {Path(state) / _PUBLIC_KEYS[0]} here or above: name the public key to trust "
        "by --key",
        2,
    )
