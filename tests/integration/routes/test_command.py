"""`ntbridge routes` as people use it: its output, its exit codes, no server needed."""

import json
from pathlib import Path

import pytest

from tests.support.cli import ntbridge

pytestmark = pytest.mark.slow

ROUTES = """
routes:
  - name: ship
    from: events.shop.placed
    when: data.n > 1
    start: {workflow: Ship, task_queue: shop}
  - name: stop
    from: events.shop.*
    cancel: {workflow_id: data.id}
"""
EVENT = '{"id": "42", "type": "com.example.shop.placed.v1", "data": {"n": 2, "id": "o-1"}}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "routes.yaml").write_text(ROUTES)
    return tmp_path


async def test_ls(folder: Path) -> None:
    done = await ntbridge("routes", "ls", cwd=folder)
    assert done.code == 0
    assert [(row["route"], row["operation"], row["id"]) for row in done.rows] == [
        ("ship", "start Ship", "ship/<uid>"),
        ("stop", "cancel", "data.id"),
    ]


async def test_lint_lists_warnings_and_fails_on_errors(folder: Path) -> None:
    done = await ntbridge("routes", "lint", cwd=folder)
    assert done.code == 0
    assert done.out.splitlines()[-1] == (
        "routes.yaml:9:27: warning: route 'stop': the event chooses the workflow (data.id), and "
        "nothing limits it: add 'only', or begin the id with a constant text [no-only]"
    )
    assert "0 errors, 1 warnings, 2 notes" in done.err
    assert (await ntbridge("routes", "lint", "--strict", cwd=folder)).code == 1
    other = folder / "other.yaml"
    other.write_text(ROUTES.replace("data.n", "dta.n"))
    done = await ntbridge(
        "routes", "lint", "--routes", "other.yaml", "-o", "ndjson", cwd=folder
    )
    assert done.code == 1
    (row,) = done.rows
    assert (row["level"], row["line"], row["column"]) == ("error", 5, 14)


async def test_a_wrong_file_is_a_wrong_setting_elsewhere(folder: Path) -> None:
    (folder / "routes.yaml").write_text(ROUTES.replace("data.n", "dta.n"))
    done = await ntbridge("routes", "ls", cwd=folder)
    assert done.code == 3
    assert done.err.startswith("ntbridge: routes.yaml:5:14: route 'ship', when: undeclared")


async def test_explain_tells_of_each_route(folder: Path) -> None:
    (folder / "event.json").write_text(EVENT)
    done = await ntbridge("routes", "explain", "-f", "event.json", cwd=folder)
    assert done.code == 0
    ship, stop = done.rows
    assert (ship["state"], ship["plan"]["input"]) == ("matched", {"n": 2, "id": "o-1"})
    assert (stop["state"], stop["reason"]) == ("matched", "cancel o-1")
    stdin = EVENT.replace('"n": 2', '"n": 0').encode()
    done = await ntbridge("routes", "explain", "-f", "-", cwd=folder, stdin=stdin)
    assert done.rows[0]["reason"] == "when: data.n > 1 is false"
    arguments = ("routes", "explain", "-f", "event.json", "--topic", "events.shop.gone")
    done = await ntbridge(*arguments, cwd=folder)
    reason = "from: 'events.shop.gone' is not covered by 'events.shop.placed'"
    assert done.rows[0]["reason"] == reason


@pytest.mark.parametrize("text", ["{", "[]", '{"data": 1}'])
async def test_explain_refuses_what_is_no_event(folder: Path, text: str) -> None:
    done = await ntbridge("routes", "explain", "-f", "-", cwd=folder, stdin=text.encode())
    assert done.code == 1
    assert "Traceback" not in done.err
    missing = await ntbridge("routes", "explain", "-f", "missing.json", cwd=folder)
    assert missing.code == 1


async def test_explain_tells_of_a_violated_schema(folder: Path) -> None:
    (folder / "schemas").mkdir()
    (folder / "schemas" / "com.example.shop.placed.v1.json").write_text('{"required": ["to"]}')
    done = await ntbridge("routes", "explain", "-f", "-", cwd=folder, stdin=EVENT.encode())
    assert "would not accept" in done.err


async def test_test_runs_what_lies_beside_the_file(folder: Path) -> None:
    assert (await ntbridge("routes", "test", cwd=folder)).code == 1
    tests = [
        {"name": "good", "given": {"event": json.loads(EVENT)}, "expect": []},
        {"name": "bad", "given": {"topic": "x.y", "event": json.loads(EVENT)}, "expect": []},
    ]
    (folder / "routes_test.yaml").write_text(json.dumps({"tests": tests[1:]}))
    done = await ntbridge("routes", "test", cwd=folder)
    assert (done.code, done.out) == (0, "ok     bad\n")
    (folder / "routes_test.yaml").write_text(json.dumps({"tests": tests}))
    done = await ntbridge("routes", "test", cwd=folder)
    assert done.code == 1
    assert "FAILED good\n       routes_test.yaml:1\n       --- expected\n" in done.out.replace(
        str(folder) + "/", ""
    )
    assert "1 passed, 1 failed" in done.err


async def test_graph_and_schema(folder: Path) -> None:
    graph = await ntbridge("routes", "graph", cwd=folder)
    assert (graph.code, graph.out.splitlines()[0]) == (0, "graph LR")
    schema = await ntbridge("routes", "schema", cwd=folder)
    assert (schema.code, json.loads(schema.out)["title"]) == (0, "Routes of ntbridge")
