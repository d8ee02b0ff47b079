"""What ``ntbridge store`` does; imported when it runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import asdict

from bridge.cli import exits
from bridge.cli.common import ask, note, who
from bridge.cli.exits import Exit
from bridge.cli.printer import Printer
from bridge.cli.progress import Bar
from bridge.cli.store.rows import Rows
from bridge.history.removal.policy import PruneRule, rules_of
from bridge.history.removal.pruner import Pruned, Pruner
from bridge.lifecycle.leadership import alone
from bridge.lifecycle.lease_names import REMOVAL
from bridge.runtime.object_store import ObjectStore
from bridge.settings.retention import MIN_ROWS_SECONDS
from bridge.settings.schema import Settings
from bridge.sql.storage import open_store
from eventstore.errors import NotAdmitted
from eventstore.leases import Leases
from eventstore.removals import Removals

_NAME = "ntbridge store"
_POLICY = "the policy retention"


@dataclass(frozen=True, kw_only=True)
class PruneOptions:
    """The flags of ``ntbridge store prune``."""

    older_than: float | None
    category: str | None
    attributes: tuple[str, ...]
    archive: str | None
    no_archive: bool
    rows: bool
    why: str | None
    dry_run: bool
    sure: bool

    def rules(self, settings: Settings) -> list[PruneRule]:
        """Return what is to be pruned.

        Raises:
            Exit: Neither the flags nor the settings say so, or the flags contradict each other.
        """
        if self.rows and (self.category is not None or self.attributes or self.archive):
            raise Exit(exits.USAGE, "--rows excludes --category, --attribute and --archive")
        if self.older_than is None:
            if self.category is not None or self.attributes:
                raise Exit(exits.USAGE, "--category and --attribute need --older-than")
            rules = () if self.rows else rules_of(settings.retention.events)
            if not rules and settings.retention.rows is None:
                raise Exit(
                    exits.USAGE,
                    "nothing says which events: give --older-than, or set "
                    f"{'retention.rows' if self.rows else 'retention.events'}",
                )
            return list(rules)
        if self.rows:
            return []
        return [
            PruneRule(
                older_than=self.older_than, category=self.category, attributes=self.attributes
            )
        ]

    def rows_older_than(self, settings: Settings) -> float | None:
        """Return the age in seconds of rows that are to be deleted; None: no rows are.

        Raises:
            Exit: The flags give an age that is too low.
        """
        if self.older_than is None:
            return settings.retention.rows
        if not self.rows:
            return None
        if self.older_than < MIN_ROWS_SECONDS:
            raise Exit(exits.USAGE, "with --rows, --older-than is at least 1d")
        return self.older_than

    def target(self, settings: Settings) -> str | None:
        """Return the URL of the archive; None for none.

        Raises:
            Exit: There is none, and the flags do not say that none is wanted.
        """
        if self.no_archive:
            if self.archive is not None:
                raise Exit(exits.USAGE, "--archive and --no-archive exclude each other")
            return None
        archive = self.archive or settings.retention.archive
        if archive is None:
            raise Exit(
                exits.USAGE,
                "no archive is given: name one (--archive, or the setting retention.archive), or "
                "remove the data for ever (--no-archive)",
            )
        return ObjectStore.open(archive).url


async def prune_events(settings: Settings, options: PruneOptions, printer: Printer) -> int:
    """Count, ask, and remove; print a row for each removal."""
    rules = options.rules(settings)
    target = options.target(settings) if rules else None
    async with open_store(settings, _NAME) as (database, store):
        counting = Pruner(database, store)
        bound = await counting.bound()
        counts = [await counting.count(rule, bound) for rule in rules]
        if rules:
            _tell(rules, counts, target)
        old = await Rows.found(
            settings, database, store, options.rows_older_than(settings), bound
        )
        if bound.use is not None:
            note(f"events above position {bound.through} stay: {bound.use} is there")
        if options.dry_run:
            return exits.OK
        if sum(counts) and not options.sure:
            lost = "" if target else ", WITHOUT an archive"
            ask(f"remove the data of {sum(counts)} events{lost}?")
        if old.count and not options.sure:
            ask(f"delete the rows of up to {old.count} events without data?")
        why, done = options.why or _POLICY, []
        try:
            async with alone(Leases(database), REMOVAL, who()):
                for rule in rules:
                    with Bar("positions", bound.through) as bar:
                        pruner = Pruner(database, store, advanced=bar.step)
                        pruned = await pruner.prune(
                            rule, bound, archive=target, who=who(), why=why
                        )
                    done.append(_row(pruned))
                done += await old.deleted(database, store, bound, why=why)
        except NotAdmitted as error:
            raise not_owner(error) from error
    printer.all(done)
    return exits.OK


def not_owner(error: NotAdmitted) -> Exit:
    """Return what to do about a role that may not remove bodies."""
    return Exit(
        exits.UNAVAILABLE,
        "only the owner of the tables may remove bodies: connect as a member of ntbridge_owner "
        f"(--database-url) ({error})",
    )


async def removal_rows(settings: Settings, limit: int) -> list[dict[str, Any]]:
    """Return the removals, latest first."""
    async with open_store(settings, _NAME) as (database, _):
        found = await Removals(database).latest(limit)
    return [
        {**asdict(each), "state": "finished" if each.finished_at else "unfinished"}
        for each in found
    ]


def _tell(rules: Sequence[PruneRule], counts: Sequence[int], target: str | None) -> None:
    for rule, count in zip(rules, counts, strict=True):
        which = f"of the category {rule.category}" if rule.category else "of any category"
        if rule.but:
            which = f"of any category but {', '.join(rule.but)}"
        note(f"{count} events {which} are older than {rule.older_than / 86_400:g} days")
    note(f"they go to {target}" if target else "they are not archived")


def _row(done: Pruned) -> dict[str, Any]:
    return {
        "removal": done.removal.id,
        "kind": done.removal.kind,
        "category": done.rule.category,
        "removed": done.outcome.removed,
        "kept": dict(done.outcome.in_use),
        "archive": done.removal.archive,
    }
