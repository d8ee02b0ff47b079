"""Code that was accepted before, and is shown to the language model as an example."""

from pydantic import Field

from workflows.messages.message import Message


class Pattern(Message):
    """A prompt and the code that was accepted for it.

    ``similarity`` is the cosine similarity to what was asked, at most 1; ``embedding`` names
    what measured it, since a lexical one knows words and not meanings.
    """

    id: str
    prompt: str
    code: str
    language: str
    similarity: float
    embedding: str


class SimilarPatterns(Message):
    """The most similar patterns, the most similar first; at most five."""

    patterns: tuple[Pattern, ...] = ()


class AcceptedCode(Message):
    """Code that passed everything its run asked of it, to be learned.

    ``key`` is the effect key of the run, by which it can be forgotten again.
    """

    key: str
    prompt: str = Field(min_length=1)
    code: str = Field(min_length=1)
    language: str


class Learned(Message):
    """The pattern's id; ``new`` is false when it was known already."""

    id: str
    new: bool
