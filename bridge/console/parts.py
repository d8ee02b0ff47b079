"""What all pages of one console share."""

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment

from bridge.console.comparisons import Comparisons
from bridge.console.overview_feed import OverviewFeed
from bridge.console.page_plugins import PagePlugin
from bridge.console.sessions import Sessions
from bridge.console.tail import Tail
from bridge.dead_letters.store import DeadLetters
from bridge.evaluation import Evaluator
from bridge.history.replay.host import ReplayHost
from bridge.history.replay.targets import Targets
from bridge.inspect.activity import Activity
from bridge.inspect.audit import Audit
from bridge.inspect.explain import Explainer, RunLookup
from bridge.inspect.failures import Failures
from bridge.inspect.pausable import Pausable, find_pausable
from bridge.inspect.question import Questions
from bridge.inspect.search import Search
from bridge.inspect.todays_routes import TodaysRoutes
from bridge.settings.schema import Settings
from eventstore.database import Database
from eventstore.store import EventStore


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The parts of one console."""

    settings: Settings
    database: Database
    store: EventStore
    evaluator: Evaluator
    routes: TodaysRoutes
    runs: dict[str, RunLookup]
    feed: OverviewFeed
    tail: Tail
    sessions: Sessions
    comparisons: Comparisons
    targets: Targets
    host: ReplayHost | None
    """Runs replays; None: the database role may only read."""
    templates: Environment
    plugins: Sequence[PagePlugin] = ()

    @property
    def may_write(self) -> bool:
        """Whether the database role may do more than read."""
        return self.host is not None

    @property
    def search(self) -> Search:
        """The search of events."""
        return Search(self.database, self.store, self.evaluator)

    @property
    def questions(self) -> Questions:
        """Finds the events that an id may mean, as ``ntbridge explain`` does."""
        return Questions(self.database, self.store, self.search)

    @property
    def activity(self) -> Activity:
        """The last hour."""
        return Activity(self.database)

    @property
    def failures(self) -> Failures:
        """The dead letters by failure."""
        return Failures(self.database)

    @property
    def letters(self) -> DeadLetters:
        """The dead letters."""
        return DeadLetters(self.database)

    @property
    def audit(self) -> Audit:
        """What people did."""
        return Audit(self.database)

    async def pausable(self) -> Pausable:
        """Return what can be paused."""
        return await find_pausable(self.settings, self.database, self.routes)

    async def explainer(self) -> Explainer:
        """Return an explainer with today's routes."""
        return Explainer(
            self.database,
            self.store,
            await self.routes.table_or_reason(),
            self.runs,
            {name: each.namespace for name, each in self.settings.temporal.each.items()},
        )
