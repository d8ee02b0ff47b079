"""Which events a route takes, what it plans, and what is said about a wrong routes file."""

from pathlib import Path

import msgspec
import pytest

from bridge.errors import RoutesError
from bridge.operations import OPERATIONS
from bridge.routes.loading import load_routes
from bridge.routes.model import Route
from bridge.routes.table import FIRST_GENERATION, RouteTable, request_id
from eventstore.events import Event

EVENT = Event(id="42", source="/shop", type="com.example.placed", data=b'{"n": 1}')
START = "start: {workflow: Ship, task_queue: shop}"
ONE = "routes:\n- name: a\n  from: a.b\n"
GOOD = f"""
routes:
  - name: exact
    from: events.shop.placed
    type: com.example.placed
    {START}
  - {{name: wild, from: "events.*.placed", {START}}}
  - {{name: rest, from: "events.>", type: com.example.placed, {START}}}
  - {{name: other-type, from: "events.>", type: com.example.shipped, {START}}}
  - {{name: other-subject, from: events.shop.shipped, {START}}}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "routes.yaml"


def loaded(path: Path, text: str) -> RouteTable:
    path.write_text(text, encoding="utf-8")
    return load_routes(path)


def fault(path: Path, text: str) -> str:
    with pytest.raises(RoutesError) as refusal:
        loaded(path, text)
    assert str(path) in str(refusal.value)
    return str(refusal.value)


def test_a_route_takes_what_its_subject_and_type_say(path: Path) -> None:
    table = loaded(path, GOOD)
    assert names(table, "events.shop.placed", EVENT) == {"exact", "wild", "rest"}
    assert names(table, "events.garden.placed", EVENT) == {"wild", "rest"}
    assert names(table, "events.shop.shipped", EVENT) == {"rest", "other-subject"}
    assert names(table, "results.shop.placed", EVENT) == set()
    shipped = msgspec.structs.replace(EVENT, type="com.example.shipped")
    assert names(table, "events.shop.placed", shipped) == {"wild", "other-type"}
    near_miss = msgspec.structs.replace(EVENT, type="com.example.placed.v2")
    assert names(table, "events.shop.placed", near_miss) == {"wild"}


def names(table: RouteTable, topic: str, event: Event) -> set[str]:
    return {plan.route for plan in table.plan(topic, event)}


def test_each_matching_route_plans_a_dispatch_of_its_own(path: Path) -> None:
    table = loaded(path, GOOD)
    plans = {plan.route: plan for plan in table.plan("events.shop.placed", EVENT)}
    assert plans.keys() == {"exact", "wild", "rest"}
    plan = plans["exact"]
    assert plan.operation == "start"
    assert plan.target == plan.key == f"exact/{EVENT.uid}"
    assert plan.generation == FIRST_GENERATION == 1
    assert plan.request_id == request_id(EVENT.uid, "exact", 1)
    call = msgspec.json.decode(plan.call)
    assert (call["workflow"], call["task_queue"]) == ("Ship", "shop")
    assert len({each.request_id for each in plans.values()}) == 3


def test_a_plan_is_the_same_each_time(path: Path) -> None:
    again = loaded(path, GOOD).plan("events.shop.placed", EVENT)
    assert loaded(path, GOOD).plan("events.shop.placed", EVENT) == again


def test_an_event_that_nobody_wants_plans_nothing(path: Path) -> None:
    assert loaded(path, GOOD).plan("results.x.y", EVENT) == ()
    assert loaded(path, "routes: []").plan("events.shop.placed", EVENT) == ()


def test_the_digest_tells_revisions_of_a_route_apart(path: Path) -> None:
    route = "routes: [{name: a, from: x.y, start: {workflow: W, task_queue: q}}]"
    (before,) = loaded(path, route).routes
    (reformatted,) = loaded(path, f"# a note\n{route}\n").routes
    (changed,) = loaded(path, route.replace("task_queue: q", "task_queue: r")).routes
    assert reformatted.digest == before.digest
    assert changed.digest != before.digest
    assert len(before.digest) == 32


def test_a_missing_file_says_how_to_name_one(path: Path) -> None:
    with pytest.raises(
        RoutesError, match=r"does not exist; name one with --routes or NTBRIDGE"
    ):
        load_routes(path)


def test_a_file_that_cannot_be_read_is_named(path: Path) -> None:
    assert f"{path}:1:10: " in fault(path, "routes: [")
    path.write_bytes(b"\xe9")
    with pytest.raises(RoutesError, match="is not UTF-8"):
        load_routes(path)
    with pytest.raises(RoutesError, match="cannot be read"):
        load_routes(path.parent)


@pytest.mark.parametrize(
    ("route", "place"),
    [
        (f"{{from: a.b, {START}}}", "route 'number 1', name"),
        (f"{{name: Ship Order, from: a.b, {START}}}", "route 'Ship Order', name"),
        (f"{{name: {'n' * 101}, from: a.b, {START}}}", f"route '{'n' * 101}', name"),
        (f"{{name: ship, {START}}}", "route 'ship', from"),
        (f"{{name: ship, from: 'a..b', {START}}}", "route 'ship', from"),
        (f"{{name: ship, from: 'a.>.b', {START}}}", "route 'ship', from"),
        (f"{{name: ship, from: a.b, type: '', {START}}}", "route 'ship', type"),
        (f"{{name: ship, from: a.b, frmo: x, {START}}}", "route 'ship', frmo"),
        ("{name: ship, from: a.b}", "route 'ship'"),
        ("{name: ship, from: a.b, start: {task_queue: q}}", "route 'ship', start.workflow"),
        (
            "{name: ship, from: a.b, start: {workflow: W, task_queue: ''}}",
            "route 'ship', start.task_queue",
        ),
        (
            "{name: ship, from: a.b, start: {workflow: W, task_queue: q, timeout: 1}}",
            "route 'ship', start.timeout",
        ),
        ("ship", "route 'number 1'"),
    ],
)
def test_a_fault_is_told_with_route_and_field(path: Path, route: str, place: str) -> None:
    assert f"{place}: " in fault(path, f"routes:\n  - {route}\n")


def test_a_wrong_subject_is_quoted(path: Path) -> None:
    route = f"routes: [{{name: ship, from: 'a..b', {START}}}]"
    assert "'a..b' is not a valid subject filter" in fault(path, route)


def test_all_faults_are_told_at_once(path: Path) -> None:
    message = fault(path, f"routes: [{{name: a, {START}}}, {{name: b, from: 'x..', {START}}}]")
    assert "route 'a', from" in message
    assert "route 'b', from" in message


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "the file: "),
        ("[]", "the file: "),
        ("routs: []", "routs: "),
        ("routes: 1", "routes: "),
    ],
)
def test_a_file_of_another_shape_is_refused(path: Path, text: str, place: str) -> None:
    assert place in fault(path, text)


def test_two_routes_of_one_name_are_refused(path: Path) -> None:
    route = f"{{name: ship, from: a.b, {START}}}"
    assert "route 'ship': another route has this name" in fault(
        path, f"routes: [{route}, {route}]"
    )


def places(path: Path, text: str) -> list[str]:
    """Return `line:column` of each fault."""
    return [
        ":".join(line.removeprefix(f"{path}:").split(":")[:2])
        for line in fault(path, text).splitlines()
    ]


def caret(text: str) -> tuple[str, str]:
    """Take the mark out of a text and return its place."""
    before = text.partition("§")[0]
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    return text.replace("§", ""), f"{line}:{column}"


@pytest.mark.parametrize(
    "value",
    [
        "data.x == 1 && §dta",
        "'data.x == 1 && §dta'",
        '"data.x == 1 && §dta"',
        "'data.x == ''a'' && §dta'",
        '"data.x == \\"a\\" && §dta"',
        "\"data.x == '\\x41\\u0042\\U00000043\\t' && §dta\"",
        "'data.x == ''ä😀'' && §dta'",
        "|\n      data.x == 1 &&\n        §dta",
        "|-\n      data.x == 1 && §dta",
        "  §>\n      data.x == 1 &&\n      dta",
        "§data.x == 1 &&\n      dta",
    ],
    ids=str,
)
def test_a_mistake_in_an_expression_is_told_with_its_place_in_the_file(
    path: Path, value: str
) -> None:
    text, place = caret(
        f"routes:\n  - name: ship\n    from: a.b\n    when: {value}\n    {START}\n"
    )
    assert places(path, text) == [place]


@pytest.mark.parametrize(
    "text",
    [
        f"routes:\n- name: ship\n  from: §a..b\n  {START}\n",
        f"routes:\n- name: ship\n  from: a.b\n  §frm: x\n  {START}\n",
        f"routes:\n- §from: a.b\n  {START}\n",
        f"routes:\n- name: ship\n  from: a.b\n  §from: a.c\n  {START}\n",
        f"routes:\n- {{name: ship, from: a.b, {START}}}\n- {{name: §ship, from: b.c, {START}}}\n",
        f"allow: {{workflows: [Ship*]}}\n{ONE}  start: {{workflow: §Shop, task_queue: q}}\n",
        f"allow: {{task_queues: [q]}}\n{ONE}  start: {{workflow: Shop, task_queue: §p}}\n",
        "routes:\n  - name: a\n    from: [§",
        f"routes:\n- name: ship\n  from: a.b\n  when: §event.id\n  {START}\n",
        f"routes:\n- name: ship\n  from: a.b\n  key: §data.x == 1\n  {START}\n",
        f"routes:\n- name: ship\n  from: a.b\n  when: §[true]\n  {START}\n",
        f"routes:\n- name: ship\n  from: a.b\n  type: §a*b\n  {START}\n",
    ],
    ids=str,
)
def test_every_fault_is_told_with_its_place(path: Path, text: str) -> None:
    plain, place = caret(text)
    assert places(path, plain) == [place]


def test_a_misspelt_key_is_answered_with_the_one_that_was_meant(path: Path) -> None:
    text = "routes: [{name: a, from: a.b, start: {workflow: W, taskqueue: q, task_queue: q}}]"
    assert "there is no such key; did you mean 'task_queue'?" in fault(path, text)


def test_allowed_names_may_be_patterns(path: Path) -> None:
    text = f"allow: {{workflows: [S*], task_queues: [shop]}}\nroutes: [{{name: a, from: a.b, {START}}}]"
    assert loaded(path, text).by_name.keys() == {"a"}


def test_attributes_may_be_written_as_yaml_writes_them(path: Path) -> None:
    table = loaded(
        path,
        f"routes: [{{name: a, from: a.b, extensions: {{urgent: true, level: 3}}, {START}}}]",
    )
    given = msgspec.structs.replace(EVENT, extensions={"urgent": True, "level": 3})
    assert names(table, "a.b", given) == {"a"}
    as_text = msgspec.structs.replace(EVENT, extensions={"urgent": "true", "level": "3"})
    assert names(table, "a.b", as_text) == {"a"}
    assert names(table, "a.b", EVENT) == set()


def test_every_operation_has_its_field() -> None:
    assert set(OPERATIONS) <= set(Route.model_fields)


@pytest.mark.parametrize(
    "text", ["NO", "yes", "off", "1_000", "12:30:45", "2026-01-31", "1e", "10", "true", "'010'"]
)
def test_extensions_are_compared_as_they_are_written(path: Path, text: str) -> None:
    file = f"routes: [{{name: a, from: x.y, extensions: {{country: {text}}}, {START}}}]"
    table = loaded(path, file)
    event = msgspec.structs.replace(EVENT, extensions={"country": text.strip("'")})
    assert names(table, "x.y", event) == {"a"}


@pytest.mark.parametrize("text", ["010", "0x1F", "+5", "True", "1e3", "1.10", "~"])
def test_an_extension_that_is_no_text_as_it_is_written_is_refused(
    path: Path, text: str
) -> None:
    said = fault(
        path, f"routes: [{{name: a, from: x.y, extensions: {{country: {text}}}, {START}}}]"
    )
    assert "extensions.country" in said
    assert "quotes" in said


@pytest.mark.parametrize(
    "field",
    ["type: 1.10", "source: 010", "name: 7", "start: {workflow: 1.10, task_queue: q}"],
)
def test_a_number_is_no_text(path: Path, field: str) -> None:
    start = "" if field.startswith("start") else f", {START}"
    assert "quotes" in fault(path, f"routes: [{{from: x.y, {field}{start}}}]")


IN_BILLING = f"routes:\n- name: a\n  from: a.b\n  namespace: billing\n  {START}\n"


def test_a_route_names_one_of_the_namespaces_of_the_settings(path: Path) -> None:
    path.write_text(IN_BILLING)
    table = load_routes(path, namespaces=("default", "billing"))
    (plan,) = table.plan("a.b", EVENT)
    assert plan.namespace == "billing"
    assert (len(table.within("billing").routes), len(table.within("").routes)) == (1, 0)
    with pytest.raises(RoutesError) as refusal:
        load_routes(path, namespaces=("default", "ops"))
    assert "routes.yaml:4:14" in str(refusal.value)
    assert "'billing' is not a namespace of the settings (default, ops)" in str(refusal.value)


def test_to_name_the_default_namespace_is_to_name_none(path: Path) -> None:
    path.write_text(IN_BILLING)
    (named,) = load_routes(path, namespaces=("billing",)).routes
    (bare,) = loaded(path, IN_BILLING.replace("  namespace: billing\n", "")).routes
    assert (named.namespace, named.digest) == (None, bare.digest)
    (plan,) = RouteTable([named]).plan("a.b", EVENT)
    assert plan.namespace == ""
