"""QAgent's settings."""

from pathlib import Path
from typing import Annotated

from workflows.settings.part import Part, one_of


class QAgentSettings(Part):
    """Who writes code, and what is remembered of it.

    Attributes:
        gateway: ``recipes`` needs nothing and knows a few functions; ``openai`` is a language
            model.
        patterns: ``postgres`` remembers accepted code in the event store's database; ``none``
            remembers nothing.
        embeddings: ``lexical`` needs nothing and compares words, not meanings; ``openai`` is a
            model.
        checker: ``python``: it compiles, and ruff finds no error.
        qlafs: ``signed`` statements, or bare ``sha256`` digests, which vouch for nothing.
        key: The private Ed25519 key (PEM) to sign with; by default one is made in the state
            folder. All workers should have the same.
    """

    gateway: Annotated[str, one_of("recipes", "openai")] = "recipes"
    patterns: Annotated[str, one_of("postgres", "none")] = "postgres"
    embeddings: Annotated[str, one_of("lexical", "openai")] = "lexical"
    checker: Annotated[str, one_of("python")] = "python"
    qlafs: Annotated[str, one_of("signed", "sha256")] = "signed"
    key: Path | None = None
