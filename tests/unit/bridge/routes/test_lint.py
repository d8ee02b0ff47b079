"""What lint finds, and where; and that it stays silent about sound routes."""

from pathlib import Path

import pytest

from bridge import samples
from bridge.routes.lint import lint

START = "start: {workflow: W, task_queue: q}"
LONG = "start:\n  workflow: W\n  task_queue: q\n  id: event.uid\n"


def found(tmp_path: Path, routes: str, *sources: str) -> list[str]:
    path = tmp_path / "routes.yaml"
    path.write_text(routes, encoding="utf-8")
    return [
        f"{each.level} {each.code} {each.route or '-'} "
        f"{each.place.line if each.place else 0}:{each.place.column if each.place else 0}"
        for each in lint(path, sources)
    ]


def one(tmp_path: Path, said: str, *sources: str) -> list[str]:
    """Lint one route that says, from line 4 on, what is given."""
    lines = "\n".join(f"  {line}" for line in said.strip().splitlines())
    return found(tmp_path, f"routes:\n- name: a\n  from: events.x\n{lines}\n", *sources)


def test_the_sample_routes_are_clean() -> None:
    assert lint(samples.ROUTES, ["events.>"]) == []


@pytest.mark.parametrize(
    ("said", "findings"),
    [
        (START, []),
        (f"when: 1 == 2\n{START}", ["warning unreachable a 4:9"]),
        (f"when: 1 / 0 == 1\n{START}", ["error invalid - 4:9"]),
        (
            "start: {workflow: W, task_queue: q, input: 'data.n / 2'}",
            ["note division a 4:46"],
        ),
        ("start: {workflow: W, task_queue: q, input: 'double(data.n) / 2'}", []),
        (f"when: 1 == 1\n{START}", []),
        (f"only: [b/*]\n{START}", ["warning unreachable a 4:9"]),
        (f"only: [a/*]\n{START}", []),
        (
            "only: [y/*]\ncancel: {workflow_id: '\"x/\" + data.id'}",
            ["warning unreachable a 4:9"],
        ),
        (f"key: event.source\ndebounce: {{for: 5s}}\n{START}", ["note endless a 5:13"]),
        (f"key: event.source\ndebounce: {{for: 5s, at_most: 1m}}\n{START}", []),
        ("cancel: {workflow_id: data.id}", ["warning no-only a 4:25"]),
        ("cancel: {workflow_id: event.subject}", ["warning no-only a 4:25"]),
        ("cancel: {workflow_id: event.extensions.w}", ["warning no-only a 4:25"]),
        ("cancel: {workflow_id: '\"x/\" + data.id'}", []),
        ("cancel: {workflow_id: '\"singleton\"'}", []),
        ("only: [y/*]\ncancel: {workflow_id: data.id}", []),
        ("start: {workflow: W, task_queue: q, id: event.uid}", []),
        ("start: {workflow: W, task_queue: q, id: data.id}", ["warning no-only a 4:43"]),
        ("start: {workflow: W, task_queue: q, id: '\"x\"'}", ["warning constant-id a 4:43"]),
        (
            f"{LONG}  id_reuse_policy: allow-duplicate\n  id_conflict_policy: terminate-existing",
            ["warning unsafe a 8:22", "warning unsafe a 9:25"],
        ),
        (
            "start:\n  workflow: W\n  task_queue: q\n  id_reuse_policy: allow-duplicate",
            [],
        ),
        (
            "signal: {signal: s, workflow_id: '\"x\"', when_missing: drop}",
            ["warning unsafe a 4:57"],
        ),
        (
            "signal: {signal: s, workflow_id: '\"x\"', when_closed: drop}",
            ["warning unsafe a 4:56", "note renamed a 4:56"],
        ),
        (
            "signal: {signal: s, workflow_id: '\"x\"', argument: data, bare: true}",
            ["warning unsafe a 4:65"],
        ),
        (f"give_up_after: {{attempts: 1}}\n{START}", ["warning unsafe a 4:29"]),
        (f"give_up_after: {{attempts: 10}}\n{START}", []),
        ("start: {workflow: W, task_queue: /_sys/q}", ["warning reserved a 4:36"]),
        ("start: {workflow: temporal-sys-x, task_queue: q}", ["warning reserved a 4:21"]),
        (
            "signal: {signal: __temporal_x, workflow_id: '\"x\"'}",
            ["warning reserved a 4:20"],
        ),
        (
            "cancel: {workflow_id: '\"temporal-sys-scheduler:\" + data.id'}",
            ["warning reserved a 4:25"],
        ),
        (f"when: data.x == 1\n{START}", ["note guard a 4:9"]),
        (f"when: has(data.x) && data.x == 1\n{START}", []),
        (f"when: event.subject == 'x'\n{START}", []),
    ],
    ids=str,
)
def test_findings_of_one_route(tmp_path: Path, said: str, findings: list[str]) -> None:
    assert one(tmp_path, said) == findings


def test_a_subject_that_no_source_brings_is_told(tmp_path: Path) -> None:
    assert one(tmp_path, START, "events.>") == []
    assert one(tmp_path, START, "results.>", "events.y") == ["warning unreachable a 3:9"]


@pytest.mark.parametrize(
    ("one_says", "other_says", "findings"),
    [
        (f"from: a.*\n{START}", f"from: '*.b'\n{START}", ["warning overlap b"]),
        (f"from: a.b\n{START}", f"from: a.c\n{START}", []),
        (f"from: a.b\ntype: t\n{START}", f"from: a.b\ntype: u\n{START}", []),
        (f"from: a.b\ntype: t.*\n{START}", f"from: a.b\ntype: u.*\n{START}", []),
        (
            f"from: a.b\ntype: t*\n{START}",
            f"from: a.b\ntype: t.u\n{START}",
            ["warning overlap b"],
        ),
        (f"from: a.b\nsource: /x\n{START}", f"from: a.b\nsource: /y*\n{START}", []),
        (
            f"from: a.b\nextensions: {{tier: gold}}\n{START}",
            f"from: a.b\nextensions: {{tier: tin}}\n{START}",
            [],
        ),
        (
            f"from: a.b\nwhen: event.subject == 'x'\n{START}",
            f"from: a.b\nwhen: event.id != 'a' && event.subject == 'y'\n{START}",
            [],
        ),
        (
            f"from: a.b\n{START}",
            "from: a.b\nstart: {workflow: V, task_queue: q}",
            ["note shared a"],
        ),
        (
            "from: a.b\nstart: {workflow: V, task_queue: q, id: event.uid}",
            "from: a.b\nstart: {workflow: W, task_queue: q, id: event.uid}",
            ["warning overlap b"],
        ),
        (
            "from: a.b\nsignal: {signal: s, workflow_id: '\"x\"'}",
            "from: a.>\nsignal: {signal: s, workflow_id: '\"x\"'}",
            ["warning overlap b"],
        ),
        (
            "from: a.b\nsignal: {signal: s, workflow_id: '\"x\"'}",
            "from: a.>\nsignal: {signal: t, workflow_id: '\"x\"'}",
            ["note shared a"],
        ),
        (
            "from: a.b\ncancel: {workflow_id: '\"x\"'}",
            "from: a.>\ncancel: {workflow_id: '\"x\"'}",
            ["warning overlap b"],
        ),
    ],
    ids=str,
)
def test_findings_between_routes(
    tmp_path: Path, one_says: str, other_says: str, findings: list[str]
) -> None:
    parts = [
        f"- name: {name}\n" + "".join(f"  {line}\n" for line in said.splitlines())
        for name, said in (("a", one_says), ("b", other_says))
    ]
    text = "routes:\n" + "".join(parts)
    assert [each.rpartition(" ")[0] for each in found(tmp_path, text)] == findings


def test_errors_are_findings_too(tmp_path: Path) -> None:
    assert one(tmp_path, f"when: dta.x\n{START}") == ["error invalid - 4:12"]
    assert found(tmp_path, "routes: [") == ["error invalid - 0:0"]


def test_schemas_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "t.json").write_text("{}")
    (tmp_path / "schemas" / "shop.order-placed.v1.json").write_text("{}")
    assert one(tmp_path, START) == []
    assert one(tmp_path, f"type: u\n{START}") == []
    assert one(tmp_path, f"type: shop.order-placed.v1\n{START}") == []
    assert one(tmp_path, f"type: shop.order_placed.v1\n{START}") == ["note schema - 0:0"]
    guarded = f"type: t\nwhen: data.x == 1\n{START}"
    assert one(tmp_path, guarded) == []
    (tmp_path / "schemas" / "u.json").write_text("[]")
    assert one(tmp_path, START) == ["error invalid - 0:0"]
