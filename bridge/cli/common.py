"""Shared by the commands: the flags for settings, notes, and asking."""

import getpass
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from bridge.cli import exits
from bridge.cli.exits import Exit
from bridge.runtime.durations import PointInTime, check_seconds, flag_seconds, moment
from bridge.runtime.terminal import print_message
from bridge.settings import discovery
from bridge.settings.schema import Settings
from bridge.settings.sources import Loaded, Source, from_flags


@Parameter(name="*", group="Settings")
@dataclass(frozen=True, kw_only=True)
class Connect:
    """Flags for settings; the README lists the environment variables and the settings file."""

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
    "Lowest level of log lines to show."
    insecure: bool | None = None
    "Allow unencrypted connections to other machines."

    def load(self) -> Loaded:
        """Combine flags, environment, file and a running stack.

        Raises:
            SettingsError: A setting is wrong; the message says which and why.
        """
        loaded, stack = discovery.load(self._flags(), self.config)
        _mention_hidden_stack(loaded, stack)
        return loaded

    def settings(self) -> Settings:
        """Return the settings and set up logging."""
        from bridge.settings import logging
        from bridge.settings.encryption import require_encryption

        loaded = self.load()
        discovery.require_servers(loaded)
        _mention_defaults(loaded)
        settings = loaded.settings
        require_encryption(settings)
        logging.configure(settings.log)
        return settings

    def settings_with_sources(self) -> Settings:
        """Return the settings with the sources of the routes file, and set up logging.

        Raises:
            RoutesError: The routes file is wrong.
        """
        return with_sources(self.settings())

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
                "insecure": self.insecure,
            },
        )


DEFAULT_CONNECT = Connect()


def with_sources(settings: Settings) -> Settings:
    """Return settings with the sources of the routes file.

    Raises:
        RoutesError: The routes file is wrong.
    """
    from bridge.routes.loading import load_routes

    if not settings.routes.exists():
        return settings
    table = load_routes(settings.routes, settings.intake.written_sources, settings.type_prefix)
    return settings.with_sources(table.sources.settings)


SecondsFlag = Annotated[float, Parameter(converter=flag_seconds, validator=check_seconds)]


def _mention_hidden_stack(loaded: Loaded, stack: Source) -> None:
    hidden = [key for key in stack.values if loaded.origins[key] != discovery.STACK]
    for key in hidden:
        note(f"{key} comes from {loaded.origins[key]}, not from {discovery.STACK}")


def _mention_defaults(loaded: Loaded) -> None:
    """Tell the user when a command uses the default addresses."""
    if not any(key in loaded.origins for key in discovery.ADDRESSES):
        note(
            "no stack runs in this folder and no server is set: using the default "
            "addresses (start a stack with 'ntbridge dev', or run 'ntbridge doctor')",
        )


def note(message: str) -> None:
    """Print a line that is not data, to standard error."""
    print_message(f"ntbridge: {message}")


def point_in_time(text: str | None) -> PointInTime | None:
    """Read how long ago (``10m``, ``1h30m``) or an ISO 8601 time; see `moment`.

    `EventStore.time_of` says which time it is.

    Raises:
        Exit: The text is neither.
    """
    try:
        return None if text is None else moment(text)
    except ValueError as error:
        raise Exit(exits.USAGE, str(error)) from None


# The question before a command changes many things.


def ask(question: str) -> None:
    """Return if the user answers yes.

    Raises:
        Exit: The user answered no, or standard input is not a terminal.
    """
    if not sys.stdin.isatty():
        raise Exit(exits.USAGE, f"{question} Give --yes to confirm, or --dry-run to see more")
    print_message(f"ntbridge: {question} [y/N] ", end="")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Exit(exits.FAILED, "nothing was done")


# Who runs a command, for the record.


def who() -> str:
    """Return ``user@host``."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}"
