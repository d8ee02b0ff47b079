"""QAgent's settings."""

from pathlib import Path
from typing import Literal

from workflows.settings.part import Part


class QAgentSettings(Part):
    """Who writes code, and what is remembered of it.

    Attributes:
        gateway: ``recipes`` needs nothing and knows a few functions; ``openai`` is a language
            model.
        patterns: ``postgres`` remembers accepted code in the event store's database; ``none``
            remembers nothing.
        embeddings: ``lexical`` needs nothing and compares words, not meanings; ``openai`` is a
            model.
        qlafs: ``signed`` statements, or bare ``sha256`` digests, which vouch for nothing.
        key: The private Ed25519 key (PEM) to sign with; by default one is made in the state
            folder. All workers should have the same.
    """

    gateway: Literal["recipes", "openai"] = "recipes"
    patterns: Literal["postgres", "none"] = "postgres"
    embeddings: Literal["lexical", "openai"] = "lexical"
    qlafs: Literal["signed", "sha256"] = "signed"
    key: Path | None = None
