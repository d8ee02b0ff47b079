"""What expressions see, what is refused when they are compiled, and that none runs for long."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.cel import EventScope, Gives, compile_expression
from bridge.errors import ExpressionError
from eventstore.events import Event

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXT,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(TEXT, below, max_size=4),
    max_leaves=12,
)


def scope(data: Any = None, **attributes: Any) -> EventScope:
    encoded = None if data is None else msgspec.json.encode(data)
    event = Event(**{"id": "1", "source": "/s", "type": "t", "data": encoded, **attributes})
    return EventScope(event, "events.a.b")


def value(text: str, data: Any = None, **attributes: Any) -> Any:
    return msgspec.json.decode(scope(data, **attributes).json(compile_expression(text)))


def failure(text: str, data: Any = None, **attributes: Any) -> str:
    with pytest.raises(ExpressionError) as caught:
        value(text, data, **attributes)
    return str(caught.value)


def test_the_envelope_is_seen() -> None:
    given_ = {"subject": "x", "time": "2026-01-01T00:00:00Z", "extensions": {"tier": "gold"}}
    text = (
        "[event.id, event.source, event.type, event.subject, event.time, event.topic, "
        "event.correlationid, event.extensions.tier]"
    )
    seen = value(text, **given_)
    assert seen == ["1", "/s", "t", "x", "2026-01-01T00:00:00Z", "events.a.b", "1", "gold"]
    uid = Event(id="1", source="/s", type="t").uid
    assert value("event.uid") == str(uid)


def test_what_is_unset_is_empty() -> None:
    assert value("[event.subject, event.time]") == ["", ""]
    assert value("event.extensions") == {}
    assert value("event.correlationid", extensions={"correlationid": "c"}) == "c"


@given(JSON)
def test_data_pass_through_unchanged(data: Any) -> None:
    expected = {} if data is None else data
    seen = msgspec.json.decode(scope(data).json(compile_expression("data")))
    assert seen == expected


def test_without_data_a_guarded_field_is_merely_absent() -> None:
    assert value("has(data.x) && data.x == 1") is False
    assert value("has(data.x) && data.x == 1", {"y": 1}) is False
    assert value("has(data.x) && data.x == 1", {"x": 1}) is True


def test_an_unguarded_field_that_is_missing_is_a_failure() -> None:
    assert failure("data.x == 1", {"y": 1}) == (
        "'data.x == 1' failed: Key not found in map : \"x\""
    )
    assert "reads a field of a value that has no fields" in failure("has(data.x)", [1])
    assert value("type(data) == map && has(data.x)", [1]) is False


def test_data_that_are_no_json_are_bytes() -> None:
    event = Event(id="1", source="/s", type="t", datacontenttype="text/plain", data=b"abc")
    assert (
        msgspec.json.decode(EventScope(event, "a.b").json(compile_expression("size(data)")))
        == 3
    )


def test_data_that_cannot_be_read_are_a_failure_of_the_expression() -> None:
    event = Event(id="1", source="/s", type="t", data=b"{")
    with pytest.raises(ExpressionError, match="the event's data cannot be read"):
        EventScope(event, "a.b").json(compile_expression("data"))
    assert (
        msgspec.json.decode(EventScope(event, "a.b").json(compile_expression("event.id")))
        == "1"
    )


@pytest.mark.parametrize("data", [{"a\0b": 1}, [{"l": {"\0": 1}}], ["a\0b"], {"a": "\\\0"}])
def test_texts_that_the_binding_would_cut_short_are_a_failure(data: Any) -> None:
    assert "contains a NUL character" in failure("data", data)
    assert value("event.id", data) == "1"


def test_bytes_that_the_binding_would_cut_short_are_a_failure() -> None:
    event = Event(id="1", source="/s", type="t", datacontenttype="image/png", data=b"a\0b")
    with pytest.raises(ExpressionError, match="contains a NUL character"):
        EventScope(event, "a.b").json(compile_expression("size(data)"))


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert value("data", "\\u0000") == "\\u0000"


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**400])
def test_numbers_beyond_what_cel_knows_fail_without_harm(number: int) -> None:
    assert "failed" in failure("data.n", {"n": number})


@pytest.mark.parametrize(
    ("text", "gives", "message", "column"),
    [
        ("dta.x", "value", "undeclared reference to 'dta.x'", 4),
        ("data.x == 1 && evnt.id == 'a'", "bool", "undeclared reference to 'evnt.id'", 20),
        ("event.idd", "string", "undeclared reference to 'event.idd'", 6),
        ("event", "value", "undeclared reference to 'event'", 1),
        ("1 + 'a'", "value", "no matching overload", 3),
        ("event.id.foo()", "value", "undeclared reference to 'foo'", 13),
        ("event.id", "bool", "gives string, where a bool is needed", 1),
        ("1 == 1", "string", "gives bool, where a string is needed", 1),
        ("type(1)", "value", "gives type<int>, where a value is needed", 1),
        ("1 +", "value", "Syntax error", 4),
    ],
)
def test_a_mistake_is_found_when_it_is_compiled(
    text: str, gives: Gives, message: str, column: int
) -> None:
    with pytest.raises(ExpressionError, match=message) as caught:
        compile_expression(text, gives)
    assert (caught.value.line, caught.value.column) == (1, column)


@pytest.mark.parametrize("text", ["x" * 4_001, "(" * 300 + "1" + ")" * 300, "1" + "+1" * 300])
def test_an_expression_has_a_size_and_a_depth(text: str) -> None:
    with pytest.raises(ExpressionError, match=r"maximum is 4000|recursion"):
        compile_expression(text)


def test_a_result_of_another_type_is_a_failure() -> None:
    text = compile_expression("data.x", "string")
    assert scope({"x": "a"}).text(text) == "a"
    with pytest.raises(ExpressionError, match="gives int, where a string is needed"):
        scope({"x": 1}).text(text)
    truth = compile_expression("data.x", "bool")
    with pytest.raises(ExpressionError, match="gives str, where a bool is needed"):
        scope({"x": "true"}).truth(truth)


LIST = list(range(50_000))
TEXTS = ["x" * 90] * 10_000


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("data.all(x, data.all(y, x + y >= 0))", LIST),
        ("data.all(x, data.all(y, data.all(z, x + y + z >= 0)))", LIST[:1000]),
        ("data.map(x, data.map(y, data.map(z, [x, y, z])))", LIST[:200]),
        ("data.map(x, x + 1).size() > 0", LIST),
        ("data.map(x, data).size() > 0", TEXTS),
        ("data.l.map(x, x + data.s).size() > 0", {"l": LIST[:9000], "s": "y" * 900_000}),
        ("data.l.exists(x, data.s.contains(x))", {"l": TEXTS, "s": "y" * 900_000}),
        ("data.l.exists(x, data.s.matches(x))", {"l": ["(a*)*b"] * 9000, "s": "a" * 900_000}),
        ("data.filter(x, x > 0).map(x, x).filter(x, x > 1).size() > 0", LIST),
    ],
)
@pytest.mark.timeout(30)  # it would run for hours
def test_a_bomb_ends_soon_and_as_a_failure(text: str, data: Any) -> None:
    compiled, bomb = compile_expression(text), scope(data)
    with pytest.raises(ExpressionError, match=r"Iteration budget exceeded|might cost too much"):
        bomb.json(compiled)


def test_the_library_counts_the_rounds_of_all_loops_together() -> None:
    """The bound of `bridge.cel` rests on this number."""
    at_most = compile_expression("data.all(x, x >= 0)")
    assert scope(LIST[:9_999]).truth(at_most) is True
    with pytest.raises(ExpressionError, match="Iteration budget exceeded"):
        scope(LIST[:10_001]).truth(at_most)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("data.exists(x, x.sku == 'z')", [{"sku": "a" * 90}] * 9_000),
        ("data.l.exists(x, x == data.wanted)", {"l": TEXTS[:900], "wanted": "b"}),
        ("data.map(x, x.sku).size() == 2000", [{"sku": "a"}] * 2_000),
        ("data.filter(x, x.n > 1).map(x, x.n).size() >= 0", [{"n": 1}] * 1_000),
    ],
)
def test_ordinary_loops_over_large_events_are_affordable(text: str, data: Any) -> None:
    assert isinstance(scope(data).truth(compile_expression(text)), bool)
