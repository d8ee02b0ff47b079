"""What a prompt must be, and what is read from it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.activities.prompts import parse
from workflows.errors import InvalidPromptError
from workflows.messages.code_generation import CodeGenerationRequest, ParsedPrompt


def parsed(prompt: str, language: str = "python") -> ParsedPrompt:
    return parse(CodeGenerationRequest(prompt=prompt, language=language))


def test_white_space_and_spelling_are_normalised() -> None:
    assert parsed("  write \r\n\n  a\u00a0cafe\u0301 \t", "Python3") == ParsedPrompt(
        text="write\n\n  a café", language="python"
    )


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("a function called add", "add"),
        ("a function named `add_all`, please", "add_all"),
        ('a function called "f()" that adds', "f"),
        ("a function whose name is not said", None),
        ("the function name is total.", "total"),
        ("called 9lives", None),
        ("so-called friends", "friends"),
    ],
)
def test_the_function_name(prompt: str, name: str | None) -> None:
    assert parsed(prompt).function_name == name


@pytest.mark.parametrize(
    ("prompt", "language", "reason"),
    [
        ("sort", "c\x00", "is not the name of a language"),
        ("sort", " ", "is not the name of a language"),
        ("123 ... !", "python", "no words"),
        (" \n ", "python", "no words"),
        ("sort\x00it", "python", "control character"),
        ("a function called class", "python", "it is a keyword of Python"),
    ],
)
def test_what_cannot_be_worked_on_is_refused(prompt: str, language: str, reason: str) -> None:
    with pytest.raises(InvalidPromptError, match=reason):
        parsed(prompt, language)


@pytest.mark.parametrize(
    ("asked", "language"),
    [("Rust", "rust"), ("C++", "c++"), ("C#", "c#"), (" Py ", "python"), ("JS", "javascript")],
)
def test_any_language_may_be_asked_for(asked: str, language: str) -> None:
    assert parsed("sort", asked).language == language
    assert parsed("a function called class", "rust").function_name == "class"


@given(st.text(min_size=1, max_size=300))
def test_a_parsed_prompt_is_normal_and_parsing_it_again_changes_nothing(prompt: str) -> None:
    try:
        once = parsed(prompt)
    except InvalidPromptError:
        return
    assert once.text == once.text.strip()
    assert unicodedata.is_normalized("NFC", once.text)
    assert parsed(once.text) == once
    assert once.function_name is None or once.function_name.isidentifier()
