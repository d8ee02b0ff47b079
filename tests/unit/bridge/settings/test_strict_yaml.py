"""YAML is read by version 1.2's core schema, and nothing in it is dropped."""

from typing import Any

import pytest
import yaml

from bridge.settings.strict_yaml import parse, written_otherwise

TEXTS = [
    *(
        "NO",
        "no",
        "yes",
        "Yes",
        "on",
        "Off",
        "y",
        "n",
        "1_000",
        "12:30:45",
        "190:20:30",
        "0b11",
    ),
    *("2026-01-31", "2026-01-31T12:00:00Z", "1.2.3", "0x", "0o8", "-0x1F", "+0o17", "1e", "e3"),
    *("tRUE", "nULL", "=", "1,000", ".", "+", "-.", "0xG", "inf", "nan", "1__0", "0x1_F", "~x"),
]
VALUES: list[tuple[str, Any]] = [
    *((text, None) for text in ("", "~", "null", "Null", "NULL")),
    *((text, True) for text in ("true", "True", "TRUE")),
    *((text, False) for text in ("false", "False", "FALSE")),
    *(("010", 10), ("+5", 5), ("-7", -7), ("0x1F", 31), ("0o17", 15), ("0", 0), ("-0", 0)),
    *(("1e3", 1000.0), (".5", 0.5), ("1.", 1.0), ("1.10", 1.1), ("-1.5E-2", -0.015)),
    *(('"010"', "010"), ("'true'", "true"), ("!!str 010", "010"), ("!!int 7", 7)),
    *(
        ("[a, [1, NO]]", ["a", [1, "NO"]]),
        ("{1: a, no: b, ~: c}", {"1": "a", "no": "b", "~": "c"}),
    ),
    *(("&x [1]", [1]), ("{a: &x [1], b: *x}", {"a": [1], "b": [1]})),
    *(('"\\ud83d\\ude42"', "🙂"), ('{"\\ud83d\\ude42": 1}', {"🙂": 1})),
    *(("|\n  NO\n", "NO\n"), ("# nothing", None)),
]
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
REFUSED = {
    "{a: 1, a: 2}": "'a' is given twice",
    "{a: {b: [{c: 1, c: 2}]}}": "'c' is given twice",
    "{a: 1, 'a': 2}": "'a' is given twice",
    "{1: a, '1': b}": "'1' is given twice",
    "{~: a, '~': b}": "'~' is given twice",
    "{a: &x {b: 1}, c: {<<: *x, b: 2}}": "merge keys",
    "{<<: {b: 1}}": "merge keys",
    "? [a]\n: b": "a key must be text",
    "? {a: b}\n: c": "a key must be text",
    "!!binary aGk=": "the tag",
    "!!timestamp 2026-01-01": "the tag",
    "!!set {a, b}": "the tag",
    "!!python/object/apply:os.system [x]": "the tag",
    "!mine x": "the tag",
    "!!int NO": "tagged !!int is not int",
    "!!bool yes": "tagged !!bool is not bool",
    "!!map x": "the tag",
    "&x [*x]": "refers to a node that contains it",
    "&x {a: {b: *x}}": "refers to a node that contains it",
    BOMB: "more than 100000 nodes",
    "*x": "undefined alias",
    '"\\udb40"': "half of a surrogate pair",
    '{"\\ud83d": 1}': "half of a surrogate pair",
    "a: .inf": "is not finite",
    "a: .nan": "is not finite",
    "a: 1e999": "is not finite",
    "9" * 5000: "too many digits",
    "[" * 1_000: "nested too deep",
    "a\n---\nb": "single document",
    "a: \x1b": "not allowed",
    "a: b: c": "mapping values",
}


@pytest.mark.parametrize("text", TEXTS)
def test_text_is_text(text: str) -> None:
    assert parse(f"a: {text}")[1] == {"a": text}


@pytest.mark.parametrize(("text", "value"), VALUES)
def test_values_are_those_of_the_core_schema(text: str, value: Any) -> None:
    found = parse(text)[1]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_what_would_be_dropped_or_grow_is_refused(text: str) -> None:
    with pytest.raises(yaml.YAMLError, match=REFUSED[text]):
        parse(text)


@pytest.mark.parametrize(
    "text", ["010", "+5", "0x1F", "0o17", "-0", "True", "FALSE", "1.10", "1e3"]
)
def test_what_text_would_not_keep_is_known(text: str) -> None:
    root, _ = parse(text)
    assert root is not None
    assert written_otherwise(root) == text
    quoted, _ = parse(f"'{text}'")
    assert quoted is not None
    assert written_otherwise(quoted) is None


@pytest.mark.parametrize("text", ["10", "-7", "0", "true", "false", "NO", "~", "a"])
def test_what_text_would_keep_is_not_in_doubt(text: str) -> None:
    root, _ = parse(text)
    assert root is not None
    assert written_otherwise(root) is None
