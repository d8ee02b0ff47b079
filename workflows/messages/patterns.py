"""Patterns: accepted code that the language model gets as examples."""

from pydantic import Field

from workflows.messages.message import Message


class Pattern(Message):
    """A prompt and the code that was accepted for it.

    ``similarity`` is the cosine similarity to the prompt, at most 1; ``embedding`` names the
    model that measured it (the lexical one compares words, not meanings).
    """

    id: str
    prompt: str
    code: str
    language: str
    similarity: float
    embedding: str


class SimilarPatterns(Message):
    """The most similar patterns, best first; at most five."""

    patterns: tuple[Pattern, ...] = ()


class AcceptedCode(Message):
    """Code that passed all checks of its run, to be stored as a pattern.

    ``key`` is the effect key of the run, with which it can be deleted again.
    """

    key: str
    prompt: str = Field(min_length=1)
    code: str = Field(min_length=1)
    language: str


class Learned(Message):
    """The pattern's id; ``new`` is false if it was stored before."""

    id: str
    new: bool
