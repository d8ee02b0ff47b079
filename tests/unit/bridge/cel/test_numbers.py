"""Numbers of events: whole or not, too large, and such as JSON does not have."""

from typing import Any

import msgspec
import pytest

from bridge.cel import EventScope, compile_expression
from bridge.errors import ExpressionError
from eventstore.events import Event


def scope(data: Any) -> EventScope:
    encoded = msgspec.json.encode(data)
    return EventScope(Event(id="1", source="/s", type="t", data=encoded), "a.b")


def value(text: str, **data: Any) -> Any:
    return msgspec.json.decode(scope(data).json(compile_expression(text)))


@pytest.mark.parametrize(
    ("text", "n", "expected"),
    [
        ("data.n * 1.2", 100, 120.0),
        ("data.n * 1.2", 99.5, 119.4),
        ("1.2 * data.n", 100, 120.0),
        ("data.n * 2", 99.5, 199.0),
        ("data.n + 1", 0.5, 1.5),
        ("data.n + 0.5", 1, 1.5),
        ("data.n - 0.5", 1, 0.5),
        ("1 - data.n", 0.5, 0.5),
        ("data.n / 4.0", 1, 0.25),
        ("data.n / 4", 1.0, 0.25),
        ("1.0 / data.n", 4, 0.25),
        ("data.n + 0.5", 2**63, 2.0**63),
        ("0.5 + data.n", 2**63, 2.0**63),
    ],
)
def test_arithmetic_does_not_depend_on_how_json_writes_a_number(
    text: str, n: float, expected: float
) -> None:
    assert value(text, n=n) == pytest.approx(expected)


def test_numbers_pass_through_exactly() -> None:
    numbers = [9007199254740993, 2**63, -(2**63), 10, 1.5]
    assert value("data.n", n=numbers) == numbers
    assert value("string(data.n)", n=9007199254740993) == "9007199254740993"
    assert value("data.n == 10", n=10.0) is True
    assert value("data.items[data.i]", items=["a", "b"], i=1) == "b"


@pytest.mark.parametrize(
    "text",
    [
        "0.0 / 0.0",
        "1.0 / 0.0",
        "-1.0 / 0.0",
        "data.n / 0.0",
        "data.half / 0",
        "data.large * 10.0",
        "data.large * 10",
        "-data.large - data.large",
        'double("nan")',
        'double("inf")',
        "math.sqrt(-1.0)",
        '{"a": [null, {"b": 1.0 / 0.0}]}',
        "[1, 2].map(x, x / 0.0)",
    ],
)
def test_what_json_cannot_say_is_an_error_that_names_the_expression(text: str) -> None:
    compiled = compile_expression(text)
    with pytest.raises(ExpressionError) as refusal:
        scope({"n": 1, "half": 0.5, "large": 1.7e308}).json(compiled)
    assert repr(text) in str(refusal.value)
    assert "not finite" in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        '"x/" + string(data.n / 0.0)',
        "string(data.half / data.zero)",
        '"%f".format([data.half / data.zero])',
        '"%s and %s".format(["a", data.half / data.zero])',
        '[1].map(x, string(x / data.zero)).join("-")',
        '["inf"].map(x, string(double(x)))[0]',
        '{"a": string(data.half / data.zero)}.a',
        'data.half > 0.0 ? string(data.half / data.zero) : ""',
        "cel.bind(x, data.half / data.zero, string(x))",
    ],
)
def test_no_text_is_made_of_a_number_that_is_not_finite(text: str) -> None:
    compiled = compile_expression(text, "string")
    with pytest.raises(ExpressionError, match="not finite") as refusal:
        scope({"n": 1, "half": 0.5, "zero": 0.0}).text(compiled)
    assert repr(text) in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("string(data.n)", "7"),
        ("string(data.half)", "0.5"),
        ("string(data.large)", "9223372036854775808"),
        ("string(data.yes)", "true"),
        ('"x/" + string(data.name)', "x/inf"),
        ('string(timestamp("2026-01-01T00:00:00Z"))', "2026-01-01T00:00:00Z"),
        ('string(timestamp(data.at) + duration("1h"))', "2026-01-01T01:00:00Z"),
        ('string(duration("90s"))', "90s"),
        ('string(b"abc")', "abc"),
        ('"%s %d %.2f".format([data.name, data.n, data.half])', "inf 7 0.50"),
        ('data.l.map(x, string(x)).join("-")', "1-2.5-a"),
        ('{"a": string(data.n)}["a"]', "7"),
        ("has(data.n) && data.n > 1 ? string(data.n) : string(data.half)", "7"),
    ],
)
def test_all_other_texts_are_made_as_cel_makes_them(text: str, expected: str) -> None:
    data = {
        "n": 7,
        "half": 0.5,
        "large": 2**63,
        "yes": True,
        "name": "inf",
        "at": "2026-01-01T00:00:00Z",
        "l": [1, 2.5, "a"],
    }
    assert scope(data).text(compile_expression(text, "string")) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('data.t.lowerAscii().split("-")[0]', "ab"),
        ('data.t.replace("B", "x")', "Ax-Cd"),
        ("data.t.reverse().substring(1, 3)", "C-"),
        ("strings.quote(data.t)", '"AB-Cd"'),
        ("math.greatest(data.n, 3)", 7),
        ("math.round(data.half)", 3.0),
        ("base64.encode(bytes(data.t))", "QUItQ2Q="),
        ("cel.bind(x, data.n * 2, x + x)", 28),
    ],
)
def test_the_libraries_of_the_engine_are_there(text: str, expected: Any) -> None:
    seen = msgspec.json.decode(
        scope({"t": "AB-Cd", "n": 7, "half": 2.5}).json(compile_expression(text))
    )
    assert seen == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('data.t.matches("(")', "not a valid RE2 regular expression"),
        ('data.t.matches("[a-z")', "not a valid RE2 regular expression"),
        ('data.t.matches("a" + "(")', "not a valid RE2 regular expression"),
        ('data.l.exists(x, x.matches("*"))', "not a valid RE2 regular expression"),
        ('matches(data.t, "(?=a)b")', "no look-around and no backreferences"),
        ('data.t.matches("(a)\\\\1")', "no look-around and no backreferences"),
        ('"abc".matches("(")', "fails for every event"),
        ('duration("1x") > duration("1s")', "fails for every event"),
        ('duration("999999999999d") > duration("1s")', "fails for every event"),
        ('timestamp("tomorrow") > timestamp(event.time)', "fails for every event"),
        ("data.x == 1 / 0", "fails for every event"),
        ('data.x == int("a")', "fails for every event"),
        ('"%d".format(["a"]) == data.x', "fails for every event"),
        ("string(1.0 / 0.0) == data.x", "not finite"),
        ('base64.decode("?") == data.x', "fails for every event"),
    ],
)
def test_a_constant_that_fails_for_every_event_is_refused_at_the_load(
    text: str, reason: str
) -> None:
    with pytest.raises(ExpressionError, match=reason) as refusal:
        compile_expression(text)
    assert text in str(refusal.value) or repr(text) in str(refusal.value)
    assert refusal.value.line == 1


def test_patterns_that_compile_pass_the_load() -> None:
    for pattern in (r"^[a-z]{3,10}$", r"(?P<name>a)", r"(?i)x", r"\\pL+"):
        compile_expression(f'data.t.matches("{pattern}")', "bool")
