"""Patterns of workflow ids: ``*`` stands for anything, and none takes long."""

import re
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.routes.matching import is_among

PIECES = st.text("ab*", max_size=8)


@given(PIECES, st.text("ab\n", max_size=10))
def test_a_pattern_means_what_the_regular_expression_says(pattern: str, text: str) -> None:
    expected = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL)
    assert is_among([pattern], text) is (expected is not None)


@pytest.mark.timeout(10)  # by a regular expression it would run for hours
def test_many_stars_take_no_longer_than_few() -> None:
    began = perf_counter()
    assert not is_among(["a*" * 20 + "b"], "a" * 1000)
    assert perf_counter() - began < 1
