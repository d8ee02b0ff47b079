"""Logging: structured lines on standard error, for people or as JSON, without secrets.

Our lines and those of all libraries (Temporal's core too) pass the same processors. Each line has
the variables bound by `structlog.contextvars` (event, route, workflow) and the ids of the current
span. Secrets are masked by name and by form, in nested values and tracebacks too. Of payloads only
the size is logged, unless payloads are switched on.
"""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, Final, TextIO, cast

import structlog
from opentelemetry.trace import get_current_span
from structlog.typing import EventDict, Processor, WrappedLogger

from bridge.runtime.terminal import escaped

MASK: Final = "***"

_SECRET_NAME = re.compile(
    r"passw(or)?d|passphrase|secret|token|api_?key|private_?key|credential|authorization|cookie"
    r"|^(dsn|seed|jwt)$",
    re.IGNORECASE,
)
_SECRET_SHAPES: Final = (
    # Up to the last "@": this hides a password that is not percent-encoded too. In a NATS URL
    # the user may be a token.
    (re.compile(r"\b((?:nats|tls|wss?)://)\S{1,1000}@", re.IGNORECASE), rf"\1{MASK}@"),
    (
        re.compile(r"\b([a-z][a-z0-9+.-]{0,30}://[^\s:/@]{0,1000}):\S{0,1000}@", re.IGNORECASE),
        rf"\1:{MASK}@",
    ),
    (
        re.compile(r"\b((?:ssl)?password|api_?key|token|secret)=[^\s&;,'\"]+", re.IGNORECASE),
        rf"\1={MASK}",
    ),
    (re.compile(r"\b(bearer|basic) [a-z0-9+/._~=-]{8,}", re.IGNORECASE), rf"\1 {MASK}"),
)
_PAYLOADS: Final = frozenset({"argument", "body", "data", "payload"})
_MULTILINE: Final = frozenset({"exception", "stack"})
_OF_RUN: Final = (
    "workflow_type",
    "workflow_id",
    "run_id",
    "activity_type",
    "attempt",
    "task_queue",
)
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_OF_UPGRADED_CONNECTIONS = "returning true from eof_received() has no effect when using ssl"
_MAX_DEPTH = 4
_MAX_TEXT = 20_000


def configure(
    level: str, *, as_json: bool, payloads: bool = False, libraries: str = "WARNING"
) -> None:
    """Send our log lines and those of libraries to standard error.

    Args:
        level: Lowest level of our own lines, by name.
        as_json: One JSON object a line, instead of lines for people.
        payloads: Whether the contents of events may be logged.
        libraries: Lowest level of the libraries' lines.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_trace,
    ]
    render: list[Processor] = [
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        *([] if payloads else [hide_payloads]),
        mask_secrets,
        *(
            [structlog.processors.JSONRenderer(default=repr)]
            if as_json
            else [
                escape_texts,
                structlog.dev.ConsoleRenderer(
                    colors=sys.stderr.isatty(),
                    exception_formatter=structlog.dev.plain_traceback,
                ),
            ]
        ),
    ]
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(_number(level)),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", StandardError())),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(StandardError())
    handler.addFilter(_is_news)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name, add_run],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    logging.basicConfig(level=_number(libraries), handlers=[handler], force=True)


def _is_news(record: logging.LogRecord) -> bool:
    """Leave out what asyncio says whenever a server ends a connection that nats-py has upgraded to TLS."""
    return not (record.name == "asyncio" and record.msg == _OF_UPGRADED_CONNECTIONS)


class StandardError:
    """Writes to what ``sys.stderr`` is at that moment.

    Loggers are cached for the life of the process; a caller that then replaces ``sys.stderr`` (a test
    runner that captures it, say) still gets the lines.
    """

    def write(self, text: str) -> int:
        """Write a text."""
        return sys.stderr.write(text)

    def flush(self) -> None:
        """Flush what was written."""
        sys.stderr.flush()


def add_trace(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Add the ids of the current span, if there is one."""
    span = get_current_span().get_span_context()
    if span.is_valid:
        line["trace_id"] = f"{span.trace_id:032x}"
        line["span_id"] = f"{span.span_id:016x}"
    return line


def add_run(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Add what a line of Temporal's workflow and activity loggers has: ids of the run, and its own fields."""
    record = line.get("_record")
    of_run = getattr(record, "temporal_workflow", None) or getattr(
        record, "temporal_activity", None
    )
    if not isinstance(of_run, Mapping):
        return line
    ids = {name: of_run[name] for name in _OF_RUN if name in of_run}
    own = {
        name: value
        for name, value in vars(record).items()
        if name not in _STANDARD and not name.startswith("temporal_")
    }
    return {**own, **ids, **line}


def hide_payloads(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Replace payloads by their size."""
    for name in _PAYLOADS & line.keys():
        value = line[name]
        size = len(value) if isinstance(value, bytes | str) else len(repr(value))
        line[name] = f"({size} bytes, not shown)"
    return line


def mask_secrets(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Mask values whose name or form is that of a secret."""
    return {name: _masked(name, value, 0) for name, value in line.items()}


def escape_texts(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Escape control characters; only tracebacks keep their line breaks."""
    return {
        escaped(name): escaped(value, keep="\n" if name in _MULTILINE else "")
        if isinstance(value, str)
        else value
        for name, value in line.items()
    }


def _masked(name: str, value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if _SECRET_NAME.search(name):
        return MASK
    if depth < _MAX_DEPTH and isinstance(value, Mapping):
        return {key: _masked(str(key), each, depth + 1) for key, each in value.items()}
    if depth < _MAX_DEPTH and isinstance(value, list | tuple | set | frozenset):
        return [_masked("", each, depth + 1) for each in value]
    return mask(value if isinstance(value, str) else repr(value))


def mask(text: str) -> str:
    """Mask secrets in a text, and cut a very long text.

    The text may come from an event. Each pattern is bounded: an unbounded one would take quadratic
    time.
    """
    if len(text) > _MAX_TEXT:
        text = f"{text[:_MAX_TEXT]}… ({len(text)} characters)"
    for shape, instead in _SECRET_SHAPES:
        text = shape.sub(instead, text)
    return text


def _number(level: str) -> int:
    return logging.getLevelNamesMapping()[level.upper()]
