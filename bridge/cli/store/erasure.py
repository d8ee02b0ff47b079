"""What ``ntbridge store erase`` does; imported when it runs."""

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.cli import exits
from bridge.cli.common import ask, note, who
from bridge.cli.printer import Printer
from bridge.cli.progress import Bar
from bridge.cli.store.session import not_owner
from bridge.history.removal.copies import Copies
from bridge.history.removal.eraser import Eraser
from bridge.history.removal.payload_objects import PayloadObjects
from bridge.history.removal.pruner import Pruner
from bridge.jetstream.connection import connect_once
from bridge.lifecycle.leadership import alone
from bridge.lifecycle.lease_names import REMOVAL
from bridge.operations.calls import CallError
from bridge.settings.schema import Settings
from bridge.sql.storage import open_store
from bridge.temporal import Gateway, connect_each
from eventstore.errors import NotAdmitted
from eventstore.filters import Filter
from eventstore.leases import Leases
from eventstore.removals import Removals

_NAME = "ntbridge store"
_DAY_SECONDS = 86_400


@dataclass(frozen=True, kw_only=True)
class EraseOptions:
    """The flags of ``ntbridge store erase``."""

    subject: str
    why: str
    attributes: tuple[str, ...]
    chains: bool
    dry_run: bool
    sure: bool


async def erase_subject(settings: Settings, options: EraseOptions, printer: Printer) -> int:
    """Count, ask, and erase; print one row."""
    async with open_store(settings, _NAME) as (database, store):
        bound = await Pruner(database, store).bound()
        count = await store.count(Filter(subject=options.subject), through=bound.through)
        note(f"{count} events in the log have this subject; archives are searched too")
        if bound.use is not None:
            note(f"events above position {bound.through} stay: {bound.use} is there")
        if options.dry_run:
            return exits.OK
        if not options.sure:
            ask("erase them, and all copies that can be reached?")
        client = await connect_once(settings.nats, _NAME)
        try:
            copies = Copies(client, settings.nats, settings.intake.sources, database, store)
            gateways = await connect_each(settings.temporal)
            objects = PayloadObjects(gateways, settings.temporal)
            with Bar("positions", bound.through) as bar:
                eraser = Eraser(database, store, copies, objects, advanced=bar.step)
                async with alone(Leases(database), REMOVAL, who()):
                    removal, done = await eraser.erase(
                        options.subject,
                        bound,
                        who=who(),
                        why=options.why,
                        drop=options.attributes,
                        chains=options.chains,
                    )
                    remarks = done.remarks(copies, objects, bound, await _retention(gateways))
                    await Removals(database).finish(removal, remarks)
        except NotAdmitted as error:
            raise not_owner(error) from error
        finally:
            await client.close()
    for address in sorted(done.datarefs):
        note(f"the data at {address} are the publisher's: delete them there")
    printer.all(
        [
            {
                "removal": removal.id,
                "events": done.events,
                "messages": dict(copies.deleted),
                "letters": done.letters,
                "dispatches": done.dispatches,
                "objects": objects.deleted,
                "archived": done.archived,
                "remarks": remarks,
            }
        ]
    )
    left = done.in_use or copies.left or bound.use is not None
    return exits.FAILED if left else exits.OK


async def _retention(gateways: Mapping[str, Gateway]) -> dict[str, str]:
    """Return how long each Temporal namespace keeps closed runs, in words."""
    found = {}
    for name, gateway in gateways.items():
        try:
            found[name] = f"{await gateway.retention() / _DAY_SECONDS:g} days"
        except CallError as error:
            found[name] = f"unknown: {error}"
    return found
