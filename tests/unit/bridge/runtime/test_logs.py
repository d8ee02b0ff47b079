import json
import logging
import sys
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
import structlog
from opentelemetry.sdk.trace import TracerProvider
from structlog.contextvars import bound_contextvars

from bridge.runtime import logs

SECRET = "hunter2"


class Lines:
    """What was logged."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._text = ""

    @property
    def text(self) -> str:
        self._text += self._capsys.readouterr().err
        return self._text

    def last(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text.splitlines()[-1])
        return found


@pytest.fixture
def sink(capsys: pytest.CaptureFixture[str]) -> Iterator[Lines]:
    before = structlog.get_config()
    handlers = logging.getLogger().handlers[:]
    yield Lines(capsys)
    structlog.configure(**before)
    logging.getLogger().handlers[:] = handlers


def configured(*, payloads: bool = False, as_json: bool = True) -> Any:
    logs.configure("debug", as_json=as_json, payloads=payloads)
    return structlog.get_logger("test").new()


@pytest.mark.parametrize(
    "said",
    [
        {"password": SECRET},
        {"nats_token": SECRET},
        {"api_key": SECRET},
        {"Authorization": f"Bearer {SECRET}-and-more"},
        {"url": f"postgresql://user:{SECRET}@db/x"},
        {"url": f"postgresql://user:{SECRET}@with@signs@db/x"},
        {"url": f"postgresql://db/x?user=u&password={SECRET}"},
        {"url": f"nats://{SECRET}@nats:4222,nats://{SECRET}@other:4222"},
        {"dsn": f"host=db password={SECRET}"},
        {"error": ValueError(f"cannot connect to nats://me:{SECRET}@nats")},
        {"settings": {"nats": {"credentials": SECRET}, "servers": [f"nats://u:{SECRET}@h"]}},
        {"said": f"sent Bearer {SECRET}-and-more"},
    ],
    ids=str,
)
def test_secrets_are_masked(sink: Lines, said: dict[str, Any]) -> None:
    configured().info("said", **said)
    assert SECRET not in sink.text
    assert logs.MASK in sink.text


def test_secrets_are_masked_in_tracebacks(sink: Lines) -> None:
    error = ValueError(f"no way to postgresql://u:{SECRET}@db")
    for as_json in (True, False):
        configured(as_json=as_json).error("failed", exc_info=error)
    assert SECRET not in sink.text
    assert sink.text.count(f"ValueError: no way to postgresql://u:{logs.MASK}@db") == 2


def test_what_libraries_log_goes_the_same_way(sink: Lines) -> None:
    configured()
    logging.getLogger("nats").warning("lost %s", f"nats://u:{SECRET}@nats:4222")
    assert sink.last() == {
        "event": f"lost nats://{logs.MASK}@nats:4222",
        "level": "warning",
        "logger": "nats",
        "timestamp": sink.last()["timestamp"],
    }


def test_what_asyncio_says_of_each_upgraded_connection_is_no_news(sink: Lines) -> None:
    configured()
    said = "returning true from eof_received() has no effect when using ssl"
    logging.getLogger("asyncio").warning(said)
    assert sink.text == ""
    logging.getLogger("another").warning(said)
    assert sink.last()["event"] == said


@pytest.mark.parametrize(
    "said",
    [{"url": "postgresql://u@db/x"}, {"key": None, "attempts": 3}, {"route": "token-ring"}],
)
def test_what_is_no_secret_stays(sink: Lines, said: dict[str, Any]) -> None:
    configured().info("said", **said)
    assert {name: sink.last()[name] for name in said} == said


def test_payloads_are_shown_by_size_unless_asked_for(sink: Lines) -> None:
    configured().debug("judged", payload=b"private things", topic="events.x")
    assert sink.last()["payload"] == "(14 bytes, not shown)"
    assert "private" not in sink.text
    configured(payloads=True).debug("judged", payload=b"private things")
    assert "private things" in sink.last()["payload"]


def test_lines_carry_what_is_bound_and_the_current_span(sink: Lines) -> None:
    log = configured()
    tracer = TracerProvider().get_tracer("test")
    with bound_contextvars(event_uid="u1"), tracer.start_as_current_span("x") as span:
        log.info("within")
    within = sink.last()
    context = span.get_span_context()
    assert within["event_uid"] == "u1"
    assert int(within["trace_id"], 16) == context.trace_id
    assert int(within["span_id"], 16) == context.span_id
    log.info("without")
    assert "trace_id" not in sink.last()
    assert "event_uid" not in sink.last()


@pytest.mark.parametrize("kind", ["temporal_workflow", "temporal_activity"])
def test_lines_of_temporal_s_loggers_have_the_ids_of_the_run(sink: Lines, kind: str) -> None:
    configured()
    ids = {"workflow_id": "order/1", "run_id": "r", "namespace": "default"}
    logging.getLogger("temporalio.workflow").warning(
        "phase failed", extra={kind: ids, "phase": "deploy", "data": "secret order"}
    )
    line = sink.last()
    assert (line["event"], line["phase"]) == ("phase failed", "deploy")
    assert (line["workflow_id"], line["run_id"]) == ("order/1", "r")
    assert line["data"] == "(12 bytes, not shown)"


def test_lines_go_to_what_standard_error_is_when_they_are_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = structlog.get_config()
    first, second = StringIO(), StringIO()
    monkeypatch.setattr(sys, "stderr", first)
    logs.configure("info", as_json=True)
    try:
        logger = structlog.get_logger("cached")
        logger.info("one")
        first.close()
        monkeypatch.setattr(sys, "stderr", second)
        logger.info("two")
    finally:
        structlog.configure(**before)
    assert '"event": "two"' in second.getvalue()
