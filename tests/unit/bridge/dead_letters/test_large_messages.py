"""What is said about a large message takes no longer than reading it."""

import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from bridge.cel import holds_nul
from bridge.dead_letters import storable
from bridge.dead_letters.mentions import mentioned
from bridge.runtime.logs import mask

MB = 2**20
OBJECTS = msgspec.json.encode([{"a": n, "b": f"v{n}", "c": [1, 2]} for n in range(120_000)])


@pytest.mark.parametrize(
    "look",
    [
        lambda: mentioned({}, b'{"id": "1", "data": ' + OBJECTS + b"}"),
        lambda: mentioned({}, b'"id":' * MB),
        lambda: mentioned({}, b'"id"' + b" " * 4 * MB),
        lambda: storable("x" * 4 * MB),
        lambda: mask("a." * MB),
        lambda: mask("nats://" * MB),
        lambda: mask("a://b:" * MB),
        lambda: holds_nul(OBJECTS),
    ],
    ids=["objects", "ids", "blanks", "reason", "dots", "nats", "urls", "nul"],
)
def test_it_does_not_take_long(look: Callable[[], Any]) -> None:
    began = time.process_time()
    look()
    assert (
        time.process_time() - began < 0.5
    )  # 0.03 at most on a machine of its own; seconds, as it was


def test_what_is_mentioned_is_found_beside_large_data() -> None:
    found = mentioned({}, b'{"id": "1", "source": "/s", "data": ' + OBJECTS + b', "type": 3}')
    assert (found.id, found.source, found.type) == ("1", "/s", None)


def test_long_texts_are_cut() -> None:
    assert len(storable("x" * MB)) < 21_000
    assert len(mask("x" * MB)) < 21_000
    assert "1048576 characters" in mask("x" * MB)
