"""The ``ntbridge`` command. Nouns are imported on use; `plugins` adds those of other packages."""

import asyncio
import inspect
import os
import sys
from collections.abc import Coroutine, Sequence
from importlib.metadata import version
from typing import Any, NoReturn

from cyclopts import App, CycloptsError, MissingArgumentError, Parameter

from bridge.cli import examples, exits, plugins
from bridge.errors import BridgeError, NotConnected, RoutesError, SettingsError
from bridge.runtime import standard_streams
from bridge.runtime.errors import ConnectionFileError, OutputError
from bridge.runtime.extras import missing_package
from bridge.runtime.terminal import print_message

app = App(
    name="ntbridge",
    help="Domain events on NATS start, signal and cancel Temporal workflows; "
    "result events come back.",
    version=lambda: version("nats-temporal-bridge"),
    # Flags are off by default and need no --no- form.
    default_parameter=Parameter(negative=()),
)
app.command("bridge.cli.dev.command:dev", name="dev", help="Run everything on this machine.")
app.command("bridge.cli.run:run", name="run", help="Run the daemon.")
app.command(
    "bridge.cli.migrate:migrate",
    name="migrate",
    help="Create missing tables, streams and search attributes.",
)
app.command(
    "bridge.cli.events.command:app",
    name="events",
    help="Publish, list and follow domain events.",
)
app.command(
    "bridge.cli.status.command:status",
    name="status",
    help="Show whether it is well, and where not.",
)
app.command(
    "bridge.cli.events.explain:explain", name="explain", help="Show what happened to an event."
)
app.command(
    "bridge.cli.trace:trace", name="trace", help="Show the chain that an event belongs to."
)
app.command("bridge.cli.pauses:pause", name="pause", help="Hold a source or a route.")
app.command("bridge.cli.pauses:resume", name="resume", help="End a pause.")
app.command("bridge.cli.results:app", name="results", help="Follow result events.")
app.command("bridge.cli.routes.command:app", name="routes", help="List, check and test routes.")
app.command(
    "bridge.cli.sources.command:app",
    name="sources",
    help="List the sources; show what their messages become.",
)
app.command("bridge.cli.replay.command:replay", name="replay", help="Send stored events again.")
app.command(
    "bridge.cli.verify.command:verify",
    name="verify",
    help="Compare NATS, the event store, the dispatches and Temporal.",
)
app.command(
    "bridge.cli.dead_letters.command:app",
    name="dead-letters",
    help="List, show, redrive and drop dead letters.",
)
app.command(
    "bridge.cli.dispatches:app",
    name="dispatches",
    help="List dispatches and what holds them up; show one.",
)
app.command(
    "bridge.cli.store.command:app",
    name="store",
    help="Remove the bodies of events; add indexes.",
)
app.command(
    "bridge.cli.codec_server:codec_server",
    name="codec-server",
    help="Decrypt payloads for Temporal's web interface.",
)
app.command("bridge.cli.console:console", name="console", help="Serve the web console.")
app.command(
    "bridge.cli.console:console_token",
    name="console-token",
    help="Make a login token for the web console.",
)
app.command(
    "bridge.cli.completion:completion",
    name="completion",
    help="Print a script for tab completion.",
)
app.command("bridge.cli.version:version", name="version", help="Show the release.")
app.command("bridge.cli.doctor:doctor", name="doctor", help="Check servers and settings.")


def main(tokens: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and end the process with a code of `bridge.cli.exits`."""
    standard_streams.secure()
    code = _run(sys.argv[1:] if tokens is None else tokens)
    try:
        standard_streams.flush()
    except OutputError as error:
        lost = _lost(error)
        code = code or lost
    # On a normal exit of the interpreter, the native part of the Temporal client sometimes
    # crashes, and the exit code of a successful command would be that of a signal.
    os._exit(code)


def _run(tokens: Sequence[str]) -> int:
    try:
        _require_text(tokens)
        plugins.attach(app, tokens)
        examples.attach(app, tokens)
        command, bound, _ = app.parse_args(tokens, exit_on_error=False, print_error=False)
        result = command(*bound.args, **bound.kwargs)
        if inspect.iscoroutine(result):
            result = _run_async(result)
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except Exception as error:
        code = _failed(_cause(error), tokens)
        if code is None:  # a bug
            raise
        return code
    return result if isinstance(result, int) else exits.OK


def _require_text(tokens: Sequence[str]) -> None:
    """Refuse arguments that cannot be sent to a server.

    Raises:
        Exit: An argument is not UTF-8.
    """
    for number, token in enumerate(tokens, 1):
        try:
            token.encode()
        except UnicodeEncodeError:
            raise exits.Exit(exits.USAGE, f"argument {number} is not UTF-8: {token}") from None


def _cause(error: Exception) -> Exception:
    """Return the only error of an exception group, else the error itself."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _failed(error: Exception, tokens: Sequence[str]) -> int | None:
    """Print why a command failed and return its exit code; None for an unexpected error."""
    match error:
        case MissingArgumentError():
            _complain(_missing(error, tokens))
            return exits.USAGE
        case CycloptsError():
            _complain(str(error))
            return exits.USAGE
        case exits.Exit():
            _complain(str(error))
            return error.code
        case OutputError():
            return _lost(error)
        case _:
            code = _code_for(error)
            if code is not None:
                _complain(f"{error}{_hint(error)}")
            return code


def _missing(error: MissingArgumentError, tokens: Sequence[str]) -> str:
    """Return which required argument a command line lacks, by the name that the help gives it."""
    argument = error.argument
    chain = list(error.command_chain or ())
    # A plug-in's own parser does not know the name under which it was added.
    first = [] if list(tokens[:1]) == chain[:1] else list(tokens[:1])
    command = " ".join(("ntbridge", *first, *chain))
    if argument is None or argument.tokens:
        return str(error)
    flags = [name for name in argument.names if name.startswith("-")]
    if argument.field_info.is_positional:
        what = f"the required argument {(argument.field_info.name or argument.name).upper()}"
    else:
        what = f"the required flag {flags[0] if flags else argument.name}"
    return f"{what} is missing: see '{command} --help'"


def _lost(error: OutputError) -> int:
    """Return the exit code for a failed write to standard output; a closed pipe is not reported."""
    if error.reader_gone:
        return exits.READER_GONE
    _complain(str(error))
    return exits.FAILED


def _run_async(coroutine: Coroutine[Any, Any, int | None]) -> int | None:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(coroutine)


def _code_for(error: Exception) -> int | None:
    from bridge.operations.calls import CallError
    from eventstore.errors import (
        EventStoreError,
        InvalidDsn,
        NotAdmitted,
        SchemaError,
        Unavailable,
    )

    match error:
        case SettingsError() | RoutesError() | InvalidDsn() | ConnectionFileError():
            return exits.SETTINGS
        case NotConnected() | Unavailable() | NotAdmitted() | SchemaError() | CallError():
            return exits.UNAVAILABLE
        case BridgeError() | EventStoreError():
            return exits.FAILED
        case ModuleNotFoundError() if missing_package(error):
            return exits.SETTINGS
        case _:
            return getattr(
                error, "exit_code", None
            )  # a plug-in's exception: see bridge.cli.plugins


def _hint(error: Exception) -> str:
    from eventstore.errors import NotMigrated

    if isinstance(error, ModuleNotFoundError):
        return f": {missing_package(error)}"
    return " (the command is 'ntbridge migrate')" if isinstance(error, NotMigrated) else ""


def _complain(message: str) -> None:
    if message:
        # Indented, so that text from others cannot look like another message.
        print_message("ntbridge: " + message.rstrip("\n").replace("\n", "\n  "), keep="\n")
