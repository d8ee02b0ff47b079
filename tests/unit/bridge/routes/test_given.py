"""Tests of routes that give a message of a source."""

from pathlib import Path

import pytest

from bridge.errors import RoutesError
from bridge.routes.loading import load_routes
from bridge.routes.route_tests import run_file

ROUTES = """
sources: [{stream: ORDERS, decode: auto, event: {subject: data.id}}]
routes: [{name: ship, from: orders.*, start: {workflow: W, task_queue: q, id: event.subject}}]
"""
MESSAGE = "message: {stream: ORDERS, subject: orders.a, data: {id: A1}}"


def difference(folder: Path, rest: str) -> str:
    (folder / "routes.yaml").write_text(ROUTES, encoding="utf-8")
    tests = folder / "a_test.yaml"
    tests.write_text(f"tests: [{{name: t, {rest}}}]", encoding="utf-8")
    (result,) = run_file(load_routes(folder / "routes.yaml"), tests)
    return result.difference


@pytest.mark.parametrize(
    "rest",
    [
        f"given: {{{MESSAGE}}}, expect: [{{route: ship, id: A1}}]",
        f"given: {{{MESSAGE}}}, event: {{subject: A1, id: 1-946684800000000000}}",
        (
            'given: {message: {stream: ORDERS, subject: orders.a, sequence: 7, text: \'{"id": "x"}\','
            " time: '2025-06-01T12:00:00.000001Z'}}, event: {id: 7-1748779200000001000}"
        ),
        "given: {message: {stream: ORDERS, subject: orders.a, base64: e30=}}, dead_letter: event.sub",
        "given: {message: {stream: ORDERS, subject: orders.a, text: x}}, dead_letter: not JSON",
    ],
)
def test_a_message_becomes_what_the_test_says(tmp_path: Path, rest: str) -> None:
    assert difference(tmp_path, rest) == ""


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        (f"given: {{{MESSAGE}}}, event: {{subject: A2}}", "event: subject is 'A1', not 'A2'"),
        (f"given: {{{MESSAGE}}}, expect: []", "+- operation: start"),
        (f"given: {{{MESSAGE}}}, dead_letter: no", "becomes an event, not a dead letter"),
        (
            "given: {message: {stream: ORDERS, subject: orders.a, text: x}}, expect: []",
            "given: the message is not JSON",
        ),
        (
            "given: {message: {stream: ORDERS, subject: orders.a, text: x}}, dead_letter: other",
            "given: the message is not JSON",
        ),
    ],
)
def test_a_difference_is_shown(tmp_path: Path, rest: str, expected: str) -> None:
    assert expected in difference(tmp_path, rest)


@pytest.mark.parametrize(
    ("rest", "problem"),
    [
        (
            f"given: {{{MESSAGE}, event: {{type: a.b}}}}, expect: []",
            "give an event or a message",
        ),
        (f"given: {{{MESSAGE}, topic: a.b}}, expect: []", "a message has a subject"),
        (f"given: {{{MESSAGE}}}", "expect is missing"),
        (
            "given: {message: {stream: O, subject: a, data: 1, text: x}}, expect: []",
            "data and text exclude each other",
        ),
    ],
)
def test_a_wrong_test_is_refused(tmp_path: Path, rest: str, problem: str) -> None:
    with pytest.raises(RoutesError, match=problem):
        difference(tmp_path, rest)
