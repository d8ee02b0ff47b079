"""The grammar of the phrases that ask for a recipe, and the words around them.

A phrase is words with single spaces. ``[x]`` is optional, ``(x|y)`` one of both, ``{name}`` a
parameter, ``<name>`` one of the common phrases of ``COMMON``. A prompt fits only as a whole.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from typing_extensions import override

from workflows.errors import InvalidSettingError

COMMON: Mapping[str, str] = {
    "a": "[a|an|the|a given|the given]",
    "check": "(check|checks|checking|test|tests|tell|tells|determine|determines|decide|decides"
    "|return|returns|find out|see|verify|verifies) (whether|if)",
    "compute": "(compute|computes|computing|calculate|calculates|calculating|return|returns"
    "|returning|find|finds|finding|get|gets|give|gives|determine|determines|output|outputs)",
    "convert": "(convert|converts|converting|turn|turns|transform|transforms|change|changes)",
    "remove": "(remove|removes|removing|delete|deletes|drop|drops|strip|strips)",
    "count": "((count|counts|counting) [[the] number of]|<compute> <a> (number|count) of)",
    "into": "(to|into)",
    "string": "<a> (string|text|str)",
    "number": "<a> (number|integer|int|whole number|value|n|number n|integer n)",
    "numbers": "[a|an|the|all|all the|some] [given] ((list|array|sequence) of (numbers|integers|ints)"
    "|numbers|integers|ints|(number|integer) (list|array))",
    "list": "(<numbers>|<a> (list|array))",
    "items": "[the|all|all the] (items|elements|values|entries|numbers|integers)",
}
"""What ``<name>`` in a phrase stands for."""

_PYTHON = "(python|python3|python 3)"
_FUNCTION = (
    f"[a|an|the|some] [short|small|simple|little] [{_PYTHON}] "
    "(function|helper|helper function|routine|algorithm|implementation|code|snippet)"
)
_BEFORE = (
    "[hi|hello|hey] [there] [please] [(can|could|would|will) you|(i|we) (need|want|would like)"
    "|i'd like] [please] [to have] "
    "[(write|implement|create|make|build|generate|give|provide|develop|define|code) [me|us]] "
    f"[{_FUNCTION} [in {_PYTHON}] [that|which|to|for|of|which can|that can]|{_PYTHON}] [a|an|the]"
)
_AFTER = (
    f"[(in|with|using) {_PYTHON}] [(in|as) {_FUNCTION}|function] [in {_PYTHON}] "
    "[please] [thanks|thank you|thank you very much]"
)
_MAX_WORDS = 60
_MAX_PARAMETER = 6
_PIECE = re.compile(r"[\[\]()|]|<\w+>|\{\w+\}|[^\s\[\]()|<>{}]+")
_NUMBER = re.compile(r"-?[0-9]+")
_QUOTES = "'\"`\u2018\u2019\u201c\u201d"


Capture = tuple[str, int, int]
"""A parameter's name, and the words that stand for it: the first, and the one after the last."""
State = tuple[int, tuple[Capture, ...]]
"""How many words are matched, and the parameters in them."""
Fits = Callable[[str], bool]
"""Whether words in lower case stand for a parameter."""


class Node:
    """A part of a phrase."""

    def ends(self, words: tuple[str, ...], start: int) -> set[State]:
        """Return every way to match words in lower case from ``start``."""
        raise NotImplementedError

    def vocabulary(self) -> frozenset[str]:
        """Return every word that it may match."""
        raise NotImplementedError


@dataclass(frozen=True)
class Word(Node):
    """One word."""

    word: str

    @override
    def ends(self, words: tuple[str, ...], start: int) -> set[State]:
        matches = start < len(words) and words[start] == self.word
        return {(start + 1, ())} if matches else set()

    @override
    def vocabulary(self) -> frozenset[str]:
        return frozenset({self.word})


@dataclass(frozen=True)
class Series(Node):
    """One part after the other."""

    parts: tuple[Node, ...]

    @override
    def ends(self, words: tuple[str, ...], start: int) -> set[State]:
        states: set[State] = {(start, ())}
        for part in self.parts:
            states = {
                (end, captured + more)
                for at, captured in states
                for end, more in part.ends(words, at)
            }
        return states

    @override
    def vocabulary(self) -> frozenset[str]:
        return frozenset().union(*(part.vocabulary() for part in self.parts))


@dataclass(frozen=True)
class Choice(Node):
    """One of several parts."""

    parts: tuple[Node, ...]

    @override
    def ends(self, words: tuple[str, ...], start: int) -> set[State]:
        return set().union(*(part.ends(words, start) for part in self.parts))

    @override
    def vocabulary(self) -> frozenset[str]:
        return frozenset().union(*(part.vocabulary() for part in self.parts))


@dataclass(frozen=True)
class Placeholder(Node):
    """The words of a parameter."""

    name: str
    fits: Fits

    @override
    def ends(self, words: tuple[str, ...], start: int) -> set[State]:
        last = min(start + _MAX_PARAMETER, len(words))
        return {
            (end, ((self.name, start, end),))
            for end in range(start + 1, last + 1)
            if self.fits(" ".join(words[start:end]))
        }

    @override
    def vocabulary(self) -> frozenset[str]:
        return frozenset()


def parse(phrase: str, parameters: Mapping[str, Fits]) -> Node:
    """Read a phrase.

    Raises:
        InvalidSettingError: When it is not in the grammar.
    """
    pieces = _PIECE.findall(phrase)
    if "".join(pieces) != "".join(phrase.split()):
        raise InvalidSettingError(f"the phrase {phrase!r} has a character outside the grammar")
    node, rest = _choice(pieces, parameters)
    if rest:
        raise InvalidSettingError(f"the phrase {phrase!r} closes a bracket that is not open")
    return node


def _choice(pieces: list[str], parameters: Mapping[str, Fits]) -> tuple[Node, list[str]]:
    """Read alternatives up to a closing bracket or the end; return them and what follows."""
    alternatives: list[Node] = []
    parts: list[Node] = []
    while pieces and pieces[0] not in "])":
        piece, *pieces = pieces
        if piece == "|":
            alternatives.append(Series(tuple(parts)))
            parts = []
        elif piece in "[(":
            inner, pieces = _choice(pieces, parameters)
            if pieces[:1] != ["]" if piece == "[" else ")"]:
                raise InvalidSettingError("a phrase does not close one of its brackets")
            pieces = pieces[1:]
            parts.append(Choice((inner, Series(()))) if piece == "[" else inner)
        else:
            parts.append(_part(piece, parameters))
    return Choice((*alternatives, Series(tuple(parts)))), pieces


def _part(piece: str, parameters: Mapping[str, Fits]) -> Node:
    name = piece[1:-1]
    if piece[0] == "<" and name in COMMON:
        return _common(name)
    if piece[0] == "{" and name in parameters:
        return Placeholder(name, parameters[name])
    if piece[0] in "<{":
        raise InvalidSettingError(f"a phrase has the unknown {piece}")
    return Word(piece)


@cache
def _common(name: str) -> Node:
    return parse(COMMON[name], {})


_FRAME_BEFORE = parse(_BEFORE, {})
_FRAME_AFTER = parse(_AFTER, {})
FRAME_WORDS = _FRAME_BEFORE.vocabulary() | _FRAME_AFTER.vocabulary()
"""The words around a phrase, which say nothing about what is asked for."""


def is_number(word: str) -> bool:
    """Whether a word is a whole number in digits."""
    return _NUMBER.fullmatch(word) is not None


class Prompt:
    """The words of a prompt, without the name that it gives to the function.

    Args:
        text: The prompt.
        function: The function's name, if the prompt has one.
    """

    def __init__(self, text: str, function: str | None = None) -> None:
        self.words = _without_name(_words_of(text), function)
        self.lower = tuple(word.casefold() for word in self.words)
        short = len(self.words) <= _MAX_WORDS
        # Several are possible: a word of the frame can also be the first of a phrase.
        self._starts = {end for end, _ in _FRAME_BEFORE.ends(self.lower, 0)} if short else set()

    def has_words_beyond(self, vocabulary: frozenset[str]) -> bool:
        """Whether a word is neither in the vocabulary, nor of the frame, nor a number."""
        return any(
            word not in vocabulary and word not in FRAME_WORDS and not is_number(word)
            for word in self.lower
        )

    def read(self, phrase: Node) -> dict[str, str] | None:
        """Return the words of each parameter if the whole prompt is this phrase, else None."""
        for start in sorted(self._starts):
            for end, captured in phrase.ends(self.lower, start):
                rest = _FRAME_AFTER.ends(self.lower, end)
                if end > start and (len(self.words), ()) in rest:
                    return {name: " ".join(self.words[a:b]) for name, a, b in captured}
        return None


def _words_of(text: str) -> tuple[str, ...]:
    """Split a prompt into words.

    Punctuation between words and quotation marks around them are dropped. Any other sign stays in
    its word (``n!``, ``a/b``, ``1,000``), so that the word is unknown.
    """
    words: list[str] = []
    chunks = text.replace("\u2019", "'").split()
    for position, chunk in enumerate(chunks, 1):
        word = chunk.rstrip(",.:;?").strip(_QUOTES).rstrip(",.:;?")
        if position == len(chunks) and word[:-1].isalpha():
            word = word.removesuffix("!")
        # "run-length" is two words, "-5" is one.
        words += filter(None, re.split(r"(?<=[^\W\d])-(?=[^\W\d])", word))
    return tuple(words)


def _without_name(words: tuple[str, ...], function: str | None) -> tuple[str, ...]:
    """Remove "called NAME" after "function", or "its name is NAME" at the end."""
    if function is None:
        return words
    for at, word in enumerate(words):
        if word.removesuffix("()") != function or at == 0:
            continue
        before = tuple(other.casefold() for other in words[max(at - 3, 0) : at])
        if before[-1] in {"called", "named"} and before[-2:-1] in {("function",), ("helper",)}:
            return words[: at - 1] + words[at + 1 :]
        if at + 1 == len(words) and before in {
            ("its", "name", "is"),
            ("function", "name", "is"),
        }:
            return words[: at - 3]
    return words
