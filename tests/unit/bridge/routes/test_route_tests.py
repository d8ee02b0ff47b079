"""Unit tests of routes: what passes, what is shown when one fails."""

from pathlib import Path

import pytest

from bridge.errors import RoutesError
from bridge.routes.loading import load_routes
from bridge.routes.route_tests import RouteTestResult, run_file

ROUTES = """
routes:
  - name: ship
    from: events.shop.placed
    start: {workflow: Ship, task_queue: shop, input: '{"n": data.n}'}
  - name: tell
    from: events.shop.*
    when: data.n > 1
    only: [cart/*]
    signal: {signal: placed, workflow_id: '"cart/" + data.cart', argument: '[data.n]'}
"""
EVENT = "event: {id: '42', type: shop.placed.v1, data: {n: 2, cart: c7}}"
GOOD = f"""
tests:
  - name: both
    given: {{{EVENT}}}
    expect:
      - {{route: tell, operation: signal, id: cart/c7, key: cart/c7, argument: [2]}}
      - {{route: ship, id: ship/<uid>, input: {{n: 2}}, call: {{workflow: Ship}}}}
  - name: neither
    given: {{topic: events.other, {EVENT}}}
    expect: []
  - name: fails
    given: {{topic: events.shop.removed, event: {{type: shop.removed, data: {{n: 2}}}}}}
    expect: [{{route: tell, state: dead, error: Key not found}}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "routes.yaml").write_text(ROUTES)
    return tmp_path


def results(folder: Path, tests: str) -> list[RouteTestResult]:
    path = folder / "shop_test.yaml"
    path.write_text(tests)
    return list(run_file(load_routes(folder / "routes.yaml"), path))


def difference(folder: Path, expect: str, given: str = EVENT) -> list[str]:
    text = f"tests: [{{name: t, given: {{{given}}}, expect: {expect}}}]"
    (result,) = results(folder, text)
    assert not result.passed
    return result.difference.splitlines()


def test_what_is_expected_passes(folder: Path) -> None:
    assert [(each.name, each.difference) for each in results(folder, GOOD)] == [
        ("both", ""),
        ("neither", ""),
        ("fails", ""),
    ]


def test_a_result_knows_where_its_test_stands(folder: Path) -> None:
    assert [each.place.line for each in results(folder, GOOD) if each.place] == [3, 8, 11]


def test_the_difference_is_shown_as_a_diff_of_what_is_named(folder: Path) -> None:
    expect = "[{route: tell, id: cart/c8, argument: [2]}, {route: ship}]"
    assert difference(folder, expect) == [
        "--- expected",
        "+++ planned",
        " - route: ship",
        " - argument:",
        "   - 2",
        "-  id: cart/c8",
        "+  id: cart/c7",
        "   route: tell",
    ]


def test_dispatches_that_nobody_expects_are_shown(folder: Path) -> None:
    assert difference(folder, "[{route: ship}]")[-2:] == [
        "+- operation: signal",
        "+  route: tell",
    ]
    assert difference(folder, "[]")[2] == "-(no dispatch)"


def test_dispatches_that_do_not_come_are_shown(folder: Path) -> None:
    shown = difference(folder, "[{route: ship}, {route: tell}, {route: toll}]")
    assert "-- route: toll" in shown


def test_a_dead_dispatch_is_no_open_one(folder: Path) -> None:
    given = "topic: events.shop.x, event: {type: t, data: {n: 2}}"
    shown = difference(folder, "[{route: tell}]", given)
    assert "+  state: dead" in shown
    assert any("error: " in line for line in shown)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("event: {id: 7, type: t}", "given: "),
        ("event: {type: lonely}", "given: cannot derive a topic from the type 'lonely'"),
        ("topic: 'a.*', event: {type: t.u}", "given: 'a.*' is not a valid subject"),
        ("event: {type: t.u, time: 2026-01-01}", "given: "),
    ],
)
def test_an_impossible_event_is_told(folder: Path, given: str, reason: str) -> None:
    assert difference(folder, "[]", given)[0].startswith(reason)


def test_a_schema_counts(folder: Path) -> None:
    (folder / "schemas").mkdir()
    (folder / "schemas" / "shop.placed.v1.json").write_text('{"required": ["to"]}')
    assert "violates the schema of its type" in difference(folder, "[]")[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("tests: []", ":1:8: tests: "),
        ("tests: [{name: a, given: {event: {}}, expct: []}]", ":1:39: tests.0.expct: "),
        ("tests: [", ":1:9: "),
        ("", "the file"),
    ],
)
def test_a_file_that_is_no_file_of_tests_is_refused(
    folder: Path, text: str, reason: str
) -> None:
    with pytest.raises(RoutesError) as refusal:
        results(folder, text)
    assert reason in str(refusal.value)
