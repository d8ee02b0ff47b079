"""Which subjects and filters are valid, and what a filter covers."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.errors import SubjectError
from bridge.jetstream.subjects import MAX_LENGTH, check_filter, check_subject, matches

# Few and short, so that filters and subjects often meet.
tokens = st.sampled_from(["a", "b", "ab"])
subjects = st.lists(tokens, min_size=1, max_size=4).map(".".join)
filters = st.builds(
    lambda before, last: ".".join([*before, last]),
    st.lists(tokens | st.just("*"), max_size=3),
    tokens | st.sampled_from(["*", ">"]),
)


def covered(pattern: str, subject: str) -> bool:
    """Tell what `matches` tells, by another way: a regular expression."""
    parts = {"*": r"[^.]+", ">": r"[^.]+(\.[^.]+)*"}
    wanted = r"\.".join(parts.get(token, re.escape(token)) for token in pattern.split("."))
    return re.fullmatch(wanted, subject) is not None


@given(filters, subjects)
@example(">", "a")
@example("a.>", "a")
@example("a.*", "a.b.c")
def test_a_filter_covers_what_nats_says_it_covers(pattern: str, subject: str) -> None:
    assert matches(check_filter(pattern), check_subject(subject)) == covered(pattern, subject)


@given(subjects)
def test_a_subject_covers_itself_and_is_a_filter(subject: str) -> None:
    assert check_filter(subject) == subject
    assert matches(subject, subject)


@given(st.text(max_size=12))
def test_any_text_is_a_subject_or_refused(text: str) -> None:
    try:
        check_subject(text)
    except SubjectError as refusal:
        assert repr(text) in str(refusal)  # noqa: PT017 - it may be fine as well
    else:
        assert not set(text) & set(" \t\r\n*>\0")
        assert all(text.split("."))
        assert check_filter(text) == text


@pytest.mark.parametrize("subject", ["a", "events.a-b.c_d", "$JS.x", "a.ü.€", "1.2", "a" * 255])
def test_valid_subjects(subject: str) -> None:
    assert check_subject(subject) == subject


@pytest.mark.parametrize(
    "subject",
    [
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        "a b",
        "a\tb",
        "a\r\nb",
        "a.*",
        "a.>",
        "a*b",
        "a\0",
        "a\u00a0b",
    ],
)
def test_invalid_subjects(subject: str) -> None:
    with pytest.raises(SubjectError, match="is not a valid subject"):
        check_subject(subject)


@pytest.mark.parametrize("pattern", [">", "*", "*.*", "a.*.>", "a.*.b", "*.a"])
def test_valid_filters(pattern: str) -> None:
    assert check_filter(pattern) == pattern


@pytest.mark.parametrize("pattern", ["", ">.a", "a.>.b", "a*", "a.b>", "**", "a..>", "a. .b"])
def test_an_invalid_filter_is_named_whole(pattern: str) -> None:
    with pytest.raises(SubjectError) as refusal:
        check_filter(pattern)
    assert str(refusal.value).startswith(f"{pattern!r} is not a valid subject filter")


def test_subjects_and_filters_have_a_largest_length() -> None:
    longest = "a" * MAX_LENGTH
    assert check_filter(longest) == longest
    for check in (check_subject, check_filter):
        with pytest.raises(SubjectError, match="256 characters long; the maximum is 255"):
            check(longest + "a")
