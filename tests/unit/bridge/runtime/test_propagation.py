import pytest
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from bridge.runtime.propagation import fields, from_fields, from_text, span_of, to_text

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize("name", ["traceparent", "Traceparent", "TRACEPARENT"])
def test_a_context_survives_headers_and_texts(name: str) -> None:
    context = from_fields({name: PARENT, "tracestate": "vendor=1,other=2", "x": 3})
    assert fields(context) == {"traceparent": PARENT, "tracestate": "vendor=1,other=2"}
    text = to_text(context)
    assert text == f"{PARENT} vendor=1,other=2"
    assert fields(from_text(text)) == fields(context)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"traceparent": "nonsense"},
        {"traceparent": 7},
        {"traceparent": f"00-{'0' * 32}-b7ad6b7169203331-01"},
        {"tracestate": "vendor=1"},
    ],
)
def test_what_is_no_context_is_none(headers: dict[str, object]) -> None:
    assert from_fields(headers) is None


def test_nothing_is_written_when_nobody_traces() -> None:
    assert fields() == {}
    assert to_text() is None
    assert from_text(None) is None
    assert from_text("nonsense") is None
    assert span_of(None) is None


def test_the_text_is_what_the_standard_says() -> None:
    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier, from_text(PARENT))
    assert carrier == {"traceparent": PARENT}
