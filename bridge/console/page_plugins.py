"""Pages that other packages add to the console.

A package lists them in the entry point group ``ntbridge.console``; the object is a `PagePlugin`. It need not
import this package: any object with these attributes will do::

    [project.entry-points."ntbridge.console"]
    approvals = "workflows.commands.approvals_page:PAGE"

A page is a list of things, each with some lines of text and the answers that a person can give to it. The
console draws it, asks for a reason, checks who may answer, and writes the audit row. A plug-in that cannot be
loaded is shown with the reason, and does not affect other pages.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from typing import Protocol

import structlog

GROUP = "ntbridge.console"

log = structlog.get_logger(__name__)


class Item(Protocol):
    """One thing on a page."""

    @property
    def key(self) -> str:
        """What names it in a request."""
        ...

    @property
    def title(self) -> str:
        """Its heading."""
        ...

    @property
    def state(self) -> str:
        """One word."""
        ...

    @property
    def lines(self) -> Sequence[tuple[str, str]]:
        """Pairs of a label and a text."""
        ...

    @property
    def answers(self) -> Sequence[str]:
        """What can be answered now: verbs such as ``grant``. Empty: nothing."""
        ...


class Host(Protocol):
    """What the console gives to a page."""

    @property
    def database_url(self) -> str:
        """The DSN of the database."""
        ...

    async def publish(self, members: Mapping[str, object]) -> str:
        """Publish a domain event, and return its id."""
        ...


class PagePlugin(Protocol):
    """A page."""

    @property
    def name(self) -> str:
        """Its path, such as ``approvals``."""
        ...

    @property
    def title(self) -> str:
        """Its heading."""
        ...

    @property
    def empty(self) -> str:
        """What to say and do when there is nothing."""
        ...

    async def items(self, host: Host) -> Sequence[Item]:
        """Return what is on the page, open things first."""
        ...

    async def answer(self, host: Host, key: str, verb: str, who: str, why: str) -> str:
        """Give an answer for a person; return what became of it, in words.

        Raises:
            Exception: It is refused; the message says why.
        """
        ...


def found_plugins() -> list[PagePlugin]:
    """Return the pages of all packages that can be loaded."""
    found: list[PagePlugin] = []
    for each in sorted(entry_points(group=GROUP)):
        try:
            found.append(each.load())
        except Exception:
            log.exception("console.page_not_loaded", page=each.name, module=each.value)
    return found
