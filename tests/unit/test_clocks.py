"""Machines' clocks differ: what daemons share is judged by the database's, or a server's, time."""

import re
from pathlib import Path

import bridge
import eventstore

READS_THE_CLOCK = re.compile(r"datetime\.now\(|\btime\.time\(\)|utcnow\(")
ALLOWED = {
    "bridge/jetstream/publishing.py": "the time of an event that is made on this machine",
    "bridge/cli/dev/flow.py": "how long a hop takes that this machine has begun",
    "bridge/health/certificates.py": "how long the certificates of this machine are still valid",
    "bridge/health/monitor.py": "since when this process runs, for a page",
    "bridge/health/postgres_probes.py": "how far this clock is from the server's",
    "bridge/temporal/installation.py": "whether a worker has polled lately, to the minute",
    "bridge/intake/lag.py": "only for a server too old to tell its own time",
}
"""Files that read this machine's clock, and what for."""


def test_only_what_concerns_this_machine_alone_reads_its_clock() -> None:
    found = set()
    for package in (bridge, eventstore):
        root = Path(str(package.__file__)).parent
        found |= {
            str(path.relative_to(root.parent))
            for path in root.rglob("*.py")
            if READS_THE_CLOCK.search(path.read_text(encoding="utf-8"))
        }
    assert found == set(ALLOWED)
