"""Vectors from words, without a model.

Texts are similar if they share words and parts of words. "Sort a list" is near "sorting lists", and
far from "put the numbers in order". The vectors do not depend on training, chance, the machine or
the version of Python.

Every word and every three consecutive letters of a word are hashed to one of ``SIZE`` places, with a
sign that a second bit decides, so that collisions cancel out on average (the hashing trick).
Frequent parts count less than proportionally, words more than their parts, and words that are in
every prompt ("write a function that") not at all.
"""

import math
import re
from collections import Counter
from hashlib import blake2b
from unicodedata import normalize

from workflows.messages.patterns import AcceptedCode, Learned, Pattern

SIZE = 256
_WORD = re.compile(r"[^\W_]+")
_IN_EVERY_PROMPT = frozenset(
    [
        "a",
        "an",
        "and",
        "by",
        "for",
        "from",
        "function",
        "implement",
        "in",
        "is",
        "it",
        "me",
        "of",
        "on",
        "or",
        "please",
        "python",
        "returns",
        "that",
        "the",
        "this",
        "to",
        "which",
        "with",
        "write",
    ]
)
"""Words that are in every prompt."""
_OF_WORD, _OF_PART = 1.0, 0.35
_PART = 3


class LexicalEmbeddings:
    """An ``Embeddings`` that compares words."""

    name = "lexical/1"
    """The number changes when the vectors change."""

    async def embed(self, text: str) -> tuple[float, ...]:
        """Return the vector of a text."""
        weights: Counter[str] = Counter()
        words = _WORD.findall(normalize("NFKC", text).casefold())
        for word in [word for word in words if word not in _IN_EVERY_PROMPT] or words:
            weights[f"={word}"] += 1
            framed = f"<{word}>"
            for start in range(len(framed) - _PART + 1):
                weights[framed[start : start + _PART]] += 1
        vector = [0.0] * SIZE
        for part, times in weights.items():
            digest = int.from_bytes(blake2b(part.encode(), digest_size=8).digest(), "big")
            weight = (_OF_WORD if part[0] == "=" else _OF_PART) * (1 + math.log(times))
            vector[(digest >> 1) % SIZE] += weight if digest & 1 else -weight
        length = math.sqrt(math.fsum(number * number for number in vector))
        if length == 0:
            # No words (or all cancelled out): similar only to other such texts.
            return (1.0, *vector[1:])
        return tuple(number / length for number in vector)


# For workers without stored patterns.


class NoPatterns:
    """A ``VectorDatabase`` that stores nothing."""

    async def similar(self, text: str, *, language: str, limit: int) -> tuple[Pattern, ...]:
        """Return no patterns."""
        del text, language, limit
        return ()

    async def learn(self, accepted: AcceptedCode) -> Learned:
        """Store nothing."""
        del accepted
        return Learned(id="", new=False)

    async def forget(self, key: str) -> tuple[str, ...]:
        """Delete nothing."""
        del key
        return ()
