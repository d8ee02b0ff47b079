"""Logging: structured lines on standard error, for people or as JSON, with nothing secret in them.

Our own lines and those of all libraries (Temporal's core included) go the same way. Each has what
`structlog.contextvars` binds around it (event, route, workflow) and the ids of the current span.
Secrets are masked by name and by shape, in nested values and tracebacks too. Payloads are shown by
their size, unless they are asked for.
"""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, Final

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
    # Up to the last "@", so that a password that should have been quoted is hidden too. Of NATS
    # the user alone may be a token.
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
_OF_LINES: Final = frozenset({"exception", "stack"})
_DEEPEST = 4
_MAX_TEXT = 20_000


def configure(
    level: str, *, as_json: bool, payloads: bool = False, libraries: str = "WARNING"
) -> None:
    """Send what we log, and what libraries log, to standard error.

    Args:
        level: The least severe of our own lines, by name.
        as_json: One object a line, rather than lines for people.
        payloads: Whether the contents of events may be shown.
        libraries: The least severe of everybody else's lines.
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
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    logging.basicConfig(level=_number(libraries), handlers=[handler], force=True)


def add_trace(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Add the ids of the current span, if there is one."""
    span = get_current_span().get_span_context()
    if span.is_valid:
        line["trace_id"] = f"{span.trace_id:032x}"
        line["span_id"] = f"{span.span_id:016x}"
    return line


def hide_payloads(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Show payloads by their size only."""
    for name in _PAYLOADS & line.keys():
        value = line[name]
        size = len(value) if isinstance(value, bytes | str) else len(repr(value))
        line[name] = f"({size} bytes, not shown)"
    return line


def mask_secrets(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Mask what is named like a secret or looks like one."""
    return {name: _masked(name, value, 0) for name, value in line.items()}


def escape_texts(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Escape what a terminal would act upon; only tracebacks keep their lines."""
    return {
        escaped(name): escaped(value, keep="\n" if name in _OF_LINES else "")
        if isinstance(value, str)
        else value
        for name, value in line.items()
    }


def _masked(name: str, value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if _SECRET_NAME.search(name):
        return MASK
    if depth < _DEEPEST and isinstance(value, Mapping):
        return {key: _masked(str(key), each, depth + 1) for key, each in value.items()}
    if depth < _DEEPEST and isinstance(value, list | tuple | set | frozenset):
        return [_masked("", each, depth + 1) for each in value]
    return mask(value if isinstance(value, str) else repr(value))


def mask(text: str) -> str:
    """Mask what looks like a secret in a text, and cut one that is very long.

    It may be an event's. The shapes are looked for in bounded pieces: to look as far as the text
    goes would take time with the square of its length.
    """
    if len(text) > _MAX_TEXT:
        text = f"{text[:_MAX_TEXT]}… ({len(text)} characters)"
    for shape, instead in _SECRET_SHAPES:
        text = shape.sub(instead, text)
    return text


def _number(level: str) -> int:
    return logging.getLevelNamesMapping()[level.upper()]
