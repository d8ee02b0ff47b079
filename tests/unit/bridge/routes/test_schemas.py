"""Schemas of events: what they refuse at intake, and what is refused as a schema."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from bridge.errors import RoutesError
from bridge.intake.consumer import Delivery
from bridge.intake.decision import Accepted, SetAside, judge
from bridge.routes.loading import load_routes
from bridge.routes.schemas import load_schemas
from eventstore.events import Event

PLACED = {
    "type": "object",
    "required": ["n"],
    "properties": {"n": {"type": "integer"}, "to": {"$ref": "address.json"}},
}
ADDRESS = {"type": "object", "required": ["city"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "schemas"
    folder.mkdir()
    write(folder, "shop.placed.v1", PLACED)
    write(folder, "address", ADDRESS)
    return folder


def write(folder: Path, name: str, schema: object) -> None:
    (folder / f"{name}.json").write_bytes(msgspec.json.encode(schema))


def event(
    data: bytes | None, event_type: str = "shop.placed.v1", content_type: str | None = None
) -> Event:
    return Event(id="1", source="/s", type=event_type, data=data, datacontenttype=content_type)


def test_data_that_keep_to_their_schema_pass(folder: Path) -> None:
    schemas = load_schemas(folder)
    assert schemas.check(event(b'{"n": 1, "to": {"city": "Bern"}}')) is None
    assert schemas.check(event(b'{"n": "x"}', "shop.other.v1")) is None
    assert schemas.types == {"shop.placed.v1", "address"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"{}", 'data: "n" is a required property'),
        (b'{"n": "x"}', 'data.n: "x" is not of type "integer"'),
        (b'{"n": 1, "to": {}}', 'data.to: "city" is a required property'),
        (None, 'data: null is not of type "object"'),
        (b"{", "the data cannot be read"),
    ],
)
def test_a_violation_is_told(folder: Path, data: bytes | None, reason: str) -> None:
    assert (load_schemas(folder).check(event(data)) or "").startswith(reason)


def test_data_that_are_no_json_violate_every_schema(folder: Path) -> None:
    violation = load_schemas(folder).check(event(b"n=1", content_type="text/plain"))
    assert violation == "the data of shop.placed.v1 must be JSON, not text/plain"


def test_long_reasons_are_cut(folder: Path) -> None:
    write(folder, "t", {"type": "array", "items": {"type": "integer"}})
    violation = load_schemas(folder).check(
        event(b'["' + b"x" * 5000 + b'"' + b',"y"' * 9 + b"]", "t")
    )
    assert violation is not None
    assert violation.endswith("and more")
    assert len(violation) < 1000


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "objct"}, "is not valid under any of the schemas"),
        ([], "is not of types"),
        ({"pattern": "(("}, "regex"),
        ({"patternProperties": {"[": {}}}, "regex"),
        ({"propertyNames": {"pattern": "[a"}}, "regex"),
        ({"$ref": "#/$defs/x", "$defs": {"x": {"pattern": "(("}}}, "regex"),
        ({"pattern": "^(?=a)(a|aa)+$"}, "look-around and backreferences are not"),
        ({"pattern": "(a)\\1"}, "look-around and backreferences are not"),
        ({"$ref": "http://127.0.0.1:9/x.json"}, "is not in the folder"),
        ({"$ref": "missing.json"}, "is not in the folder"),
    ],
)
def test_what_is_no_schema_is_refused_when_it_is_loaded(
    folder: Path, schema: object, reason: str
) -> None:
    write(folder, "wrong", schema)
    with pytest.raises(RoutesError, match=reason) as refusal:
        load_schemas(folder)
    assert str(folder / "wrong.json") in str(refusal.value)


def test_a_file_that_is_no_json_is_refused(folder: Path) -> None:
    (folder / "wrong.json").write_text("{")
    with pytest.raises(RoutesError, match=r"wrong\.json: no JSON"):
        load_schemas(folder)
    (folder / "wrong.json").unlink()
    (folder / "folder.json").mkdir()
    with pytest.raises(RoutesError, match="cannot be read"):
        load_schemas(folder)


def test_intake_sets_aside_what_violates_its_schema(folder: Path) -> None:
    routes = folder.parent / "routes.yaml"
    routes.write_text(
        "routes: [{name: a, from: events.>, start: {workflow: W, task_queue: q}}]"
    )
    table = load_routes(routes)
    refused = judge(table, delivery('{"n": "x"}'), 16)
    assert isinstance(refused, SetAside)
    assert (refused.code, refused.reason) == ("schema", 'data.n: "x" is not of type "integer"')
    assert b'"n": "x"' in refused.delivery.payload
    accepted = judge(table, delivery('{"n": 1}'), 16)
    assert isinstance(accepted, Accepted)
    assert len(accepted.plan) == 1


def delivery(data: str) -> Delivery:
    envelope = (
        '{"specversion": "1.0", "id": "1", "source": "/s", "type": "shop.placed.v1", "data": '
        f"{data}}}"
    )
    return Delivery(
        stream="EVENTS",
        stream_created=datetime.now(UTC),
        sequence=1,
        topic="events.shop.placed",
        headers={},
        payload=envelope.encode(),
        reply="",
    )
