"""The schemas and the reference that ship are those of the messages."""

from pathlib import Path

import msgspec

from bridge import samples
from bridge.jetstream.publishing import complete
from bridge.routes.loading import load_routes
from bridge.samples.event_types import SCHEMAS, names, violation
from workflows.event_types.__main__ import ROOT, generated
from workflows.event_types.table import event_types
from workflows.pipelines import (
    code_generation,
    complete_code_pipeline,
    devsecops_pipeline,
    infra_provision,
)

WORKFLOWS = (code_generation, complete_code_pipeline, devsecops_pipeline, infra_provision)
UPDATE = "run 'python -m workflows.event_types' and commit what it writes"


def test_what_ships_is_current() -> None:
    for path, content in generated().items():
        assert (ROOT / path).read_text() == content, f"{path}: {UPDATE}"
    ours = {Path(path).name for path in generated()}
    left = {path.name for path in SCHEMAS.glob("io.quantum-suite.*")} - ours
    assert not left, f"no event has these types: {left}"


def test_every_type_that_a_workflow_emits_is_there() -> None:
    known = {each.name for each in event_types()}
    for module in WORKFLOWS:
        assert {str(each) for each in module.Emits} <= known


def test_every_sample_fits_its_schema() -> None:
    for name in samples.names():
        sample = complete(msgspec.json.decode(samples.event(name)))
        assert sample.type in names()
        assert violation(sample) is None


def test_a_misspelt_member_of_a_request_violates_its_schema() -> None:
    members = msgspec.json.decode(samples.event("devsecops"))
    members["data"]["resorces"] = []
    fault = violation(complete(members))
    assert fault is not None
    assert "resorces" in fault


def test_intake_checks_by_them_with_the_sample_routes() -> None:
    assert load_routes(samples.ROUTES).schemas.types == set(names())
