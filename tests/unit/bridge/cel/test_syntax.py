"""What is read off an expression's tree."""

import pytest

from bridge.cel import compile_expression, syntax
from bridge.cel.syntax import Loops, Node


def tree(text: str) -> Node:
    return compile_expression(text).tree


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("'a' + 'b'", set()),
        ("event.uid", {"event.uid"}),
        ("'x/' + data.order.id + event.subject", {"data.order.id", "event.subject"}),
        ("data['order'].id", {"data.order.id"}),
        ("data.items[0].id", {"data.items"}),
        (
            "has(data.a.b) && event.extensions.tier == 'gold'",
            {"data.a.b", "event.extensions.tier"},
        ),
        ("data.l.exists(x, x.y == event.id)", {"data.l", "event.id"}),
        ("[1, data.a]", {"data.a"}),
        ("{'k': data.a, data.b: 1}", {"data.a", "data.b"}),
        ("data.l.map(x, data.m.map(y, x + y))", {"data.l", "data.m"}),
        ("b'raw' == data.a || 1.5 == data.b || null == data.c", {"data.a", "data.b", "data.c"}),
    ],
)
def test_paths(text: str, paths: set[str]) -> None:
    assert syntax.paths(tree(text)) == paths


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("'order/' + data.id", "order/"),
        ("'a' + 'b' + data.id + 'c'", "ab"),
        ("'a' + ('b' + data.id)", "ab"),
        ("'whole'", "whole"),
        ("data.id + 'x'", ""),
        ("1 == 1 ? 'a' : 'b'", ""),
    ],
)
def test_literal_prefix(text: str, prefix: str) -> None:
    assert syntax.literal_prefix(tree(text)) == prefix


def test_equalities_are_what_must_hold() -> None:
    found = syntax.equalities(
        tree("data.a == 'x' && (-1 == data.b && true == data.c) && data.d > 1")
    )
    assert found == {"data.a": "x", "data.b": -1, "data.c": True}
    assert syntax.equalities(tree("data.a == 'x' || data.b == 1")) == {}
    assert syntax.equalities(tree("data.a == data.b")) == {}
    assert syntax.equalities(tree("data.a == 2u")) == {"data.a": 2}


def test_unguarded_fields_are_those_nobody_asked_about() -> None:
    found = syntax.unguarded(
        tree("has(data.a) && data.a == 1 && data.b == 2 && event.id == 'x'")
    )
    assert found == {"data.b"}


@pytest.mark.parametrize(
    ("text", "loops"),
    [
        ("data.a", Loops(0)),
        ("data.all(x, x > 0)", Loops(1)),
        ("data.all(x, x > data[0])", Loops(1, looks_outside=True)),
        ("data.map(x, x)", Loops(1, builds=True)),
        ("data.filter(x, x > 0).exists(y, y == 1)", Loops(1, builds=True)),
        ("data.all(x, x.l.all(y, y > 0))", Loops(2)),
        ("data.all(x, x.l.all(y, y > x.n))", Loops(2, looks_outside=True)),
        ("data.all(x, data.all(y, data.all(z, true)))", Loops(3, looks_outside=True)),
        ("has(data.x)", Loops(0)),
    ],
)
def test_loops(text: str, loops: Loops) -> None:
    assert compile_expression(text).loops == loops
