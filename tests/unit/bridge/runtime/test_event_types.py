"""The types of the bridge's own events, with any prefix."""

import re

import pytest

from bridge.jetstream.subjects import topic_for
from bridge.runtime.event_types import (
    CONTINUED,
    ENDED,
    PREFIX_PATTERN,
    closure_status,
    closure_type,
    dead_letter_type,
    message_type,
)
from tests.support.servers import ROOT


@pytest.mark.parametrize("prefix", ["dev.ntbridge", "io.quantum-suite", "acme"])
@pytest.mark.parametrize("status", [*sorted(ENDED), CONTINUED])
def test_a_closure_is_recognised_with_any_prefix(prefix: str, status: str) -> None:
    event_type = closure_type(prefix, status)
    topic = topic_for(event_type, "results")
    assert topic == f"results.workflow.{status}"
    assert closure_status(event_type, topic) == status


@pytest.mark.parametrize(
    ("event_type", "topic"),
    [
        ("com.example.workflow.completed.v1", "results.shop.completed"),
        ("com.example.workflow.started.v1", "results.workflow.started"),
        ("com.example.shop.completed.v1", "results.workflow.completed"),
        ("com.example.workflow.completed.v1\n", "results.workflow.completed"),
        ("com.example.workflow.completed", "results.workflow.completed"),
    ],
)
def test_other_events_are_no_closures(event_type: str, topic: str) -> None:
    assert closure_status(event_type, topic) is None


def test_the_other_types() -> None:
    assert dead_letter_type("com.example") == "com.example.bridge.dead-lettered.v1"
    assert message_type("com.example", "orders.placed") == "com.example.orders.placed"


@pytest.mark.parametrize("prefix", ["dev.ntbridge", "acme", "io.quantum-suite", "a.b.c.D1"])
def test_prefixes(prefix: str) -> None:
    assert re.fullmatch(PREFIX_PATTERN, prefix)


@pytest.mark.parametrize("prefix", ["", ".", "a.", ".a", "a..b", "-a", "a-", "a b", "a/b", "é"])
def test_what_is_no_prefix(prefix: str) -> None:
    assert not re.fullmatch(PREFIX_PATTERN, prefix)


def test_the_bridge_names_no_domain_of_a_platform() -> None:
    code = (ROOT / "bridge").rglob("*.py")
    assert [path for path in code if "quantum-suite" in path.read_text(encoding="utf-8")] == []
