"""`python -m bridge.devstack --state DIR`: runs the three servers until a signal or the death of the parent.

When all are ready, writes `stack.json` into the state folder and the same content as one line to standard output.
"""

import argparse
import asyncio
import dataclasses
import json
import logging
import signal
import sys
from pathlib import Path

import structlog

from bridge.devstack.addresses import Addresses
from bridge.devstack.launch import die_with
from bridge.devstack.stack import StackOptions, run_stack
from bridge.errors import BridgeError


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


async def _nothing(_addresses: Addresses) -> None:
    """Prepare nothing: only the servers are wanted."""


async def _announce(addresses: Addresses) -> None:
    sys.stdout.write(json.dumps(dataclasses.asdict(addresses)) + "\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def main() -> int:
    """Run until a stop signal; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bridge.devstack", description=__doc__)
    parser.add_argument("--state", type=Path, help="state folder; default: a temporary one")
    parser.add_argument(
        "--any-ports", action="store_true", help="do not prefer the standard ports"
    )
    parser.add_argument(
        "--parent", type=int, help="process id of the parent; stop when it ends"
    )
    options = parser.parse_args()
    if options.parent is not None:
        die_with(options.parent, signal.SIGTERM)
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
    )
    stack = StackOptions(
        state=options.state, progress=_say, standard_ports=not options.any_ports
    )
    try:
        asyncio.run(run_stack(stack, prepare=_nothing, programs=[], follow=_announce))
    except BridgeError as error:
        _say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
