"""Subjects follow from types, and are always good ones."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.code_generation import Emits
from workflows.errors import InvalidResultTypeError
from workflows.topics import topic_of

TOKEN = st.from_regex(r"[A-Za-z0-9_-]+", fullmatch=True)


@pytest.mark.parametrize(
    ("event_type", "topic"),
    [
        ("io.quantum-suite.code-generation.completed.v1", "results.code-generation.completed"),
        ("io.quantum-suite.infra.rolled-back.v12", "results.infra.rolled-back"),
        ("com.example.shop.order.shipped", "results.order.shipped"),
        ("order.shipped", "results.order.shipped"),
        ("order.v1.v2", "results.order.v1"),
    ],
)
def test_examples(event_type: str, topic: str) -> None:
    assert topic_of(event_type) == topic


@pytest.mark.parametrize(
    "event_type",
    [
        "",
        "completed",
        "completed.v1",
        "a..v1",
        "a.*",
        "a.>",
        "a.b c",
        "a.b\n",
        "a.ü",
        ".a",
        "a.",
    ],
)
def test_a_type_without_a_good_subject_is_refused(event_type: str) -> None:
    with pytest.raises(InvalidResultTypeError, match="no subject follows"):
        topic_of(event_type)


@given(st.lists(TOKEN, max_size=3), TOKEN, TOKEN, st.integers(min_value=0))
def test_domain_and_name_are_kept_whatever_the_authority(
    authority: list[str], domain: str, name: str, version: int
) -> None:
    event_type = ".".join([*authority, domain, name, f"v{version}"])
    assert topic_of(event_type) == f"results.{domain}.{name}"


@given(st.text(max_size=60))
def test_there_is_a_valid_subject_or_an_error(event_type: str) -> None:
    try:
        topic = topic_of(event_type)
    except InvalidResultTypeError:
        return
    assert re.fullmatch(r"results\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", topic)


def test_the_topics_of_code_generation() -> None:
    assert [topic_of(event_type) for event_type in Emits] == [
        f"results.code-generation.{name}"
        for name in (
            "prompt-parsed",
            "code-generated",
            "code-validated",
            "fingerprint-recorded",
            "completed",
            "failed",
        )
    ]
