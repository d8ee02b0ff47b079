"""`python -m tests.benchmarks [NAME]`: run the benchmarks, print a table, write bench-results.json."""

import asyncio
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType

from rich.console import Console

from bridge.devstack.environment import forget_foreign_settings
from bridge.settings.logging import configure
from bridge.settings.schema import LogSettings
from tests.benchmarks import report
from tests.benchmarks.harness import Context, Row, discover, rows_of
from tests.support import servers

RESULTS = Path("bench-results.json")


async def measure(
    module: ModuleType, context: Context, console: Console, rows: list[Row]
) -> None:
    """Run one benchmark and append what it finds to `rows`, as it finds it."""
    console.print(f"{module.NAME} …")
    async for row in rows_of(module, context):
        console.print(f"  {row.name}: {row.ratio:.2f}")
        rows.append(row)


def main() -> int:
    """Returns the exit code."""
    forget_foreign_settings()
    # As quiet as a daemon in production: what is measured in this process logs, too.
    configure(LogSettings(level="warning"))
    console = Console(stderr=True)
    try:
        modules = discover(sys.argv[1] if len(sys.argv) > 1 else "")
    except LookupError as error:
        console.print(str(error))
        return 2
    rows: list[Row] = []
    failed = []
    with servers.embedded() as addresses:
        for module in modules:
            try:
                asyncio.run(measure(module, Context(addresses), console, rows))
            except Exception:  # noqa: BLE001 - the others' numbers are worth having
                traceback.print_exc()
                failed.append(module.NAME)
    # Piped into a file there is no width to fit into, and names must not be cut.
    shown = Console() if sys.stdout.isatty() else Console(width=200)
    shown.print(report.table(rows))
    report.write(RESULTS, rows)
    console.print(f"written to {RESULTS}")
    if failed:
        console.print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Interpreters that have used the Temporal client sometimes crash while they end (sdk-python#300).
    os._exit(code)
