"""Validates prompts before they are sent to a language model."""

import keyword
import re
import unicodedata
from collections.abc import Iterator

from workflows.errors import InvalidPromptError
from workflows.messages.code_generation import CodeGenerationRequest, ParsedPrompt

_LANGUAGES = {
    "py": "python",
    "python3": "python",
    "js": "javascript",
    "ts": "typescript",
    "golang": "go",
    "rs": "rust",
    "sh": "bash",
    "shell": "bash",
}
"""Other names of languages."""
_LANGUAGE = re.compile(r"[^\W_][\w+#./ -]{0,39}")
_NAME = re.compile(
    r"""\b(?:called|named|(?:its|the|function)\ name\ is)\s+
        [`'"]?(?P<name>[A-Za-z_][A-Za-z0-9_]{0,63})(?:\(\))?[`'"]?(?=[\s,.;:!?)]|$)""",
    re.VERBOSE | re.IGNORECASE,
)


def parse(request: CodeGenerationRequest) -> ParsedPrompt:
    """Normalise a prompt and find the function name that it asks for, if any.

    Raises:
        InvalidPromptError: The prompt has no words, has control characters, or asks for an
            invalid language or function name.
    """
    language = request.language.strip().lower()
    language = _LANGUAGES.get(language, language)
    if not _LANGUAGE.fullmatch(language):
        raise InvalidPromptError(f"{request.language!r} is not the name of a language")
    text = "\n".join(_lines(unicodedata.normalize("NFC", request.prompt))).strip()
    for character in text:
        if character not in "\n\t" and unicodedata.category(character) in {"Cc", "Cs"}:
            raise InvalidPromptError(f"the prompt has a control character, {character!r}")
    if not any(character.isalpha() for character in text):
        raise InvalidPromptError("the prompt has no words")
    return ParsedPrompt(
        text=text, language=language, function_name=_function_name(text, language)
    )


def _lines(text: str) -> Iterator[str]:
    """Give the lines without spaces at their ends; their indentation may be that of code."""
    for line in re.split(r"\r\n|[\n\r\u2028\u2029]", text):
        yield line.replace("\u00a0", " ").rstrip()


def _function_name(text: str, language: str) -> str | None:
    match = _NAME.search(text)
    if match is None:
        return None
    name = match["name"]
    if language == "python" and keyword.iskeyword(name):
        raise InvalidPromptError(
            f"a function cannot be called {name!r}: it is a keyword of Python"
        )
    return name
