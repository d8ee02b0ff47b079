"""The JSON Schema for editors is current and knows what the loader knows; the picture."""

import jsonschema_rs
import pytest
import yaml

from bridge import samples
from bridge.operations import OPERATIONS
from bridge.routes import json_schema, mermaid
from bridge.routes.model import RoutesFile

WAITS = {"workflow_id": "data.id", "wait_for": "1h"}
START = {"workflow": "W", "task_queue": "q"}
VALIDATOR = jsonschema_rs.validator_for(json_schema.json_schema())


def test_the_committed_schema_is_current() -> None:
    assert json_schema.FILE.read_text(encoding="utf-8") == json_schema.rendered(), (
        "run: ntbridge routes schema > bridge/routes/routes.schema.json"
    )


def test_the_sample_routes_keep_to_it() -> None:
    assert VALIDATOR.is_valid(yaml.safe_load(samples.ROUTES.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("said", "valid"),
    [
        ({"name": "a", "from": "a.b", "start": START}, True),
        ({"name": "a", "from": "a.b", "extensions": {"x": True}, "start": START}, True),
        ({"name": "a", "from": "a.b", "give_up_after": {"age": "1h"}, "start": START}, True),
        ({"name": "a", "from": "a.b", "cancel": {**WAITS, "when_missing": "wait"}}, True),
        ({"name": "a", "from": "a.b", "cancel": {**WAITS, "when_closed": "wait"}}, True),
        ({"name": "a", "from": "a.b", "cancel": {**WAITS, "when_closed": "start"}}, False),
        ({"name": "a", "from": "a.b"}, False),
        ({"name": "a", "from": "a.b", "start": START, "cancel": {"workflow_id": "x"}}, False),
        ({"name": "a", "from": "a.b", "strat": START}, False),
        ({"name": "a", "from": "a.b", "when": 1, "start": START}, False),
        ({"name": "A", "from": "a.b", "start": START}, False),
    ],
)
def test_it_says_what_a_route_is(said: dict[str, object], valid: bool) -> None:  # noqa: FBT001
    assert VALIDATOR.is_valid({"routes": [said]}) is valid


def test_every_field_of_a_route_says_what_it_is() -> None:
    fields = json_schema.json_schema()["$defs"]["Route"]["properties"]
    operations = set(OPERATIONS)
    silent = {
        name
        for name, field in fields.items()
        if "description" not in field and name not in operations | {"name", "give_up_after"}
    }
    assert silent == set()


def test_the_picture_shows_subjects_routes_and_workflows() -> None:
    routes = RoutesFile.model_validate(
        {
            "routes": [
                {
                    "name": "a",
                    "from": "e.>",
                    "type": "t",
                    "when": 'data.x == "y"',
                    "start": START,
                },
                {
                    "name": "b",
                    "from": "e.>",
                    "extensions": {"tier": "gold"},
                    "signal": {"signal": "s", "workflow_id": "data.id"},
                },
                {"name": "c", "from": "e.f", "cancel": {"workflow_id": "data.id"}},
            ]
        }
    ).routes
    assert mermaid.draw(routes).splitlines() == [
        "graph LR",
        '  r1["a<br>t<br>data.x == #quot;y#quot;"]',
        '  s1 --> r1 -- "start" --> w1',
        '  r2["b<br>tier = gold"]',
        '  s1 --> r2 -- "signal s" --> w2',
        '  r3["c"]',
        "  s2 --> r3 -. cancel .-> w2",
        '  s1(["e.#gt;"])',
        '  s2(["e.f"])',
        '  w1[["W"]]',
        '  w2[["data.id"]]',
    ]
