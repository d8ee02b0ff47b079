"""What the commands share: the flags for settings, and how results are printed."""

import getpass
import socket
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from cyclopts import Parameter

from bridge.cli import exits
from bridge.cli.exits import Exit
from bridge.runtime.durations import check_seconds, flag_seconds, moment
from bridge.runtime.terminal import (
    console,
    escaped,
    print_json,
    print_message,
    print_text,
)
from bridge.settings import discovery
from bridge.settings.schema import Settings
from bridge.settings.sources import Loaded, Source, from_flags

Output = Literal["table", "json", "ndjson"]


@Parameter(name="*", group="Settings")
@dataclass(frozen=True, kw_only=True)
class Connect:
    """Where the servers are; see the README for the environment variables and the file."""

    config: Path | None = None
    "Settings file (YAML)."
    nats_url: str | None = None
    "NATS server URL(s)."
    nats_prefix: str | None = None
    "Prefix of all streams and subjects."
    temporal_address: str | None = None
    "Temporal frontend, host:port."
    temporal_namespace: str | None = None
    "Temporal namespace."
    database_url: str | None = None
    "Postgres URL."
    routes: Path | None = None
    "Routes file (YAML)."
    log_level: Literal["debug", "info", "warning", "error"] | None = None
    "Least severe log lines to show."

    def load(self) -> Loaded:
        """Combine flags, environment, file and a running stack.

        Raises:
            SettingsError: One of them is wrong; the message says which and why.
        """
        loaded, stack = discovery.load(self._flags(), self.config)
        _mention_hidden_stack(loaded, stack)
        return loaded

    def settings(self) -> Settings:
        """Return the settings and set up logging."""
        from bridge.settings import logging

        loaded = self.load()
        discovery.require_servers(loaded)
        _mention_defaults(loaded)
        settings = loaded.settings
        logging.configure(settings.log)
        return settings

    def _flags(self) -> Source:
        return from_flags(
            {
                "nats.url": self.nats_url,
                "nats.prefix": self.nats_prefix,
                "temporal.address": self.temporal_address,
                "temporal.namespace": self.temporal_namespace,
                "database.url": self.database_url,
                "routes": self.routes,
                "log.level": self.log_level,
            },
        )


DEFAULT_CONNECT = Connect()

SecondsFlag = Annotated[float, Parameter(converter=flag_seconds, validator=check_seconds)]

OutputFlag = Annotated[Output | None, Parameter(name=["--output", "-o"], group="Output")]


def _mention_hidden_stack(loaded: Loaded, stack: Source) -> None:
    hidden = [key for key in stack.values if loaded.origins[key] != discovery.STACK]
    for key in hidden:
        note(f"{key} comes from {loaded.origins[key]}, not from {discovery.STACK}")


def _mention_defaults(loaded: Loaded) -> None:
    """Say so when a command is about to talk to servers that nobody has named."""
    if not any(key in loaded.origins for key in discovery.ADDRESSES):
        note(
            "no stack is running in this folder, and no server is named: using the default "
            "addresses (start a stack with 'ntbridge dev', or see 'ntbridge doctor')",
        )


def note(message: str) -> None:
    """Tell the person something that is not data: one line on standard error."""
    print_message(f"ntbridge: {message}")


def point_in_time(text: str | None) -> datetime | None:
    """Read ``10m``, ``2h`` (ago) or an ISO 8601 time, which is UTC unless it says otherwise.

    Raises:
        Exit: It is neither.
    """
    try:
        return None if text is None else moment(text)
    except ValueError as error:
        raise Exit(exits.USAGE, str(error)) from None


class Printer:
    """Prints rows to standard output as they come (ndjson), or together (table, json).

    Without a wish it is a table in a terminal, and ndjson in a pipe. A value may be `msgspec.Raw`:
    JSON that is printed as it is, so that no number is rounded.
    """

    def __init__(self, output: Output | None, columns: Sequence[str] = ()) -> None:
        self._output: Output = output or ("table" if sys.stdout.isatty() else "ndjson")
        self._columns = columns
        self._headed = False

    @property
    def output(self) -> Output:
        """The format that was chosen."""
        return self._output

    def stream(self, row: Mapping[str, Any]) -> None:
        """Print one row of a stream that has no end; never held back."""
        if self._output == "table":
            self._table_line(row)
        else:
            print_json(_json(row))

    def all(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Print rows that are all there."""
        rows = list(rows)
        match self._output:
            case "json":
                print_json(_json(rows, indent=2))
            case "ndjson":
                for row in rows:
                    print_json(_json(row), flush=False)
            case "table":
                self._table(rows)

    def _table(self, rows: Sequence[Mapping[str, Any]]) -> None:
        from rich.table import Table
        from rich.text import Text

        columns = self._columns or (list(rows[0]) if rows else [])
        table = Table(*columns, box=None, pad_edge=False, header_style="bold")
        for row in rows:
            table.add_row(*(Text(escaped(_cell(row.get(column)))) for column in columns))
        console().print(table)

    def _table_line(self, row: Mapping[str, Any]) -> None:
        columns = self._columns or list(row)
        if not self._headed:
            self._headed = True
            print_message("  ".join(columns))
        print_text("  ".join(_cell(row.get(column)) for column in columns))


def _json(value: Any, indent: int = 0) -> str:
    encoded = msgspec.json.encode(value, enc_hook=str)
    return (msgspec.json.format(encoded, indent=indent) if indent else encoded).decode()


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, msgspec.Raw) and bytes(value).startswith(b'"'):
        value = msgspec.json.decode(value)
    return value if isinstance(value, str) else _json(value)


# The question before a command does something to many.


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


# Who runs a command, for those who read it later.


def who() -> str:
    """Return ``user@host``."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}"
