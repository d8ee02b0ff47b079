"""The question before a command does something to many."""

import sys

from bridge.cli import exits
from bridge.cli.exits import Exit
from bridge.runtime.terminal import print_message


def ask(question: str) -> None:
    """Return if the person says yes.

    Raises:
        Exit: The person said no, or there is none to ask.
    """
    if not sys.stdin.isatty():
        raise Exit(exits.USAGE, f"{question} Give --yes to say so, or --dry-run to see more")
    print_message(f"ntbridge: {question} [y/N] ", end="")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Exit(exits.FAILED, "nothing was done")
