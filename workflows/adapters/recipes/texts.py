"""Recipes about text."""

from workflows.adapters.recipes.recipe import ChoiceParameter, NumberParameter, Recipe

_PALINDROME = Recipe(
    name="is_palindrome",
    serves="whether a text is a palindrome (exactly, or ignoring case and punctuation)",
    example="Check whether a string is a palindrome, ignoring case and punctuation",
    asked_for=r"\bpalindrom(?:es?|ic)\b",
    parameters=(
        ChoiceParameter(
            name="letters_only",
            options={r"\bignor(?:e|es|ing)\b|\bcase[- ]insensitive\b": True},
            default=False,
        ),
    ),
    template='''
LETTERS_ONLY = $letters_only


def $function(text: str) -> bool:
    """Tell whether a text reads the same backwards.

    With LETTERS_ONLY, case and everything but letters and digits is ignored.
    """
    if LETTERS_ONLY:
        text = "".join(character for character in text.casefold() if character.isalnum())
    return text == text[::-1]
''',
)

_REVERSE_WORDS = Recipe(
    name="reverse_words",
    serves="the words of a sentence in reverse order",
    example="Reverse the words of a sentence",
    asked_for=r"\brevers\w+ (?:the )?(?:order of )?(?:the )?words\b(?: \w+ (?:a|the) sentence)?",
    template='''
def $function(sentence: str) -> str:
    """Return the words of a sentence in reverse order, single spaces between them."""
    return " ".join(reversed(sentence.split()))
''',
)

_REVERSE = Recipe(
    name="reverse_text",
    serves="a string reversed",
    example="Write a function that reverses a string",
    asked_for=r"\brevers\w+ (?:a |the )?(?:string|text)\b|\bstring reversal\b",
    template='''
def $function(text: str) -> str:
    """Return the text backwards."""
    return text[::-1]
''',
)

_WORD_COUNT = Recipe(
    name="most_frequent_words",
    serves="the most frequent words of a text (default: the top 10)",
    example="Count word frequencies and return the top 3 words",
    asked_for=r"\bword (?:count\w*|frequenc\w+)\b|\bmost (?:frequent|common) words\b"
    r"|\bcount\w*[^.]{0,20}\bwords\b",
    parameters=(
        NumberParameter(
            name="top",
            pattern=r"\b(?:top|the) (\d+)\b",
            default=10,
            least=1,
            most=10_000,
        ),
    ),
    template='''
import re
from collections import Counter


def $function(text: str, top: int = $top) -> list[tuple[str, int]]:
    """Return the most frequent words with their counts, the most frequent first."""
    words = re.findall(r"\\w+", text.casefold())
    return Counter(words).most_common(top)
''',
)

_CAESAR = Recipe(
    name="caesar_cipher",
    serves="the Caesar cipher (default: shift 3)",
    example="Implement a Caesar cipher with a shift of 5",
    asked_for=r"\bcaesar(?:'s)?(?: cipher| code| shift)?\b",
    parameters=(
        NumberParameter(
            name="shift",
            pattern=r"\bshift(?:ed|ing)?(?: of| by)? (\d+)",
            default=3,
            least=1,
            most=25,
        ),
    ),
    template='''
def $function(text: str, shift: int = $shift) -> str:
    """Shift the letters A to Z and a to z; a negative shift decodes."""
    shifted = []
    for character in text:
        if character.isascii() and character.isalpha():
            first = ord("A") if character.isupper() else ord("a")
            character = chr((ord(character) - first + shift) % 26 + first)
        shifted.append(character)
    return "".join(shifted)
''',
)

_SLUGIFY = Recipe(
    name="slugify",
    serves="a title as a URL slug (default separator: hyphen)",
    example="Slugify a title with underscores",
    asked_for=r"\bslug(?:s|ify|ified|ifies)?\b",
    parameters=(
        ChoiceParameter(name="separator", options={r"\bunderscores?\b": "_"}, default="-"),
    ),
    template='''
import re
import unicodedata


def $function(title: str, separator: str = $separator) -> str:
    """Return a title in lower case, ASCII letters and digits joined by the separator."""
    ascii_title = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return separator.join(re.findall(r"[a-z0-9]+", ascii_title.lower()))
''',
)

TEXTS = (_PALINDROME, _REVERSE_WORDS, _REVERSE, _WORD_COUNT, _CAESAR, _SLUGIFY)
