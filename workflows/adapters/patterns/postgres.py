"""Patterns in the event store's database, compared by pgvector.

All vectors of the same model are compared, so the result is exact; ten thousand patterns take
milliseconds. A database without pgvector computes the same numbers in plain SQL, more slowly.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256

import structlog

from eventstore.database import Connection, Database
from eventstore.errors import EventStoreError
from workflows.errors import PatternStoreError, RunUndoneError
from workflows.messages.patterns import AcceptedCode, Learned, Pattern
from workflows.ports import Embeddings
from workflows.sql import STATEMENTS

_log = structlog.get_logger(__name__)


class PostgresPatterns:
    """A ``VectorDatabase`` in Postgres.

    Args:
        database: With the tables of the workflows.
        embeddings: Make the vectors.
        min_similarity: Patterns that are less similar (cosine, -1 to 1) are not found.
    """

    def __init__(
        self, database: Database, embeddings: Embeddings, *, min_similarity: float = -1
    ) -> None:
        self._min_similarity = min_similarity
        self._database = database
        self._embeddings = embeddings
        self._has_vectors: bool | None = None

    async def similar(self, text: str, *, language: str, limit: int) -> tuple[Pattern, ...]:
        """Return the patterns most similar to a prompt."""
        vector = await self._embeddings.embed(text)
        async with self._transaction() as connection:
            rows = await connection.fetch(
                STATEMENTS[await self._statement(connection)],
                vector,
                self._embeddings.name,
                language,
                limit,
            )
        return tuple(
            Pattern(**dict(row), embedding=self._embeddings.name)
            for row in rows
            if row["similarity"] >= self._min_similarity
        )

    async def learn(self, accepted: AcceptedCode) -> Learned:
        """Store a pattern.

        Raises:
            RunUndoneError: The run was undone.
        """
        vector = await self._embeddings.embed(accepted.prompt)
        identity = _identity(self._embeddings.name, accepted)
        async with self._transaction() as connection:
            await connection.execute(STATEMENTS["lock_key"], accepted.key)
            if await connection.fetchval(STATEMENTS["is_undone"], accepted.key):
                raise RunUndoneError(
                    f"the pattern of {accepted.key} is not stored, because that run was undone"
                )
            row = await connection.fetchrow(
                STATEMENTS["learn_pattern"],
                identity,
                accepted.language,
                accepted.prompt,
                accepted.code,
                self._embeddings.name,
                vector,
            )
            await connection.execute(STATEMENTS["stand_by_pattern"], identity, accepted.key)
        return Learned(id=identity, new=row is not None)

    async def forget(self, key: str) -> tuple[str, ...]:
        """Delete the patterns that only this run stored, and refuse further ones."""
        async with self._transaction() as connection:
            await connection.execute(STATEMENTS["lock_key"], key)
            await connection.execute(STATEMENTS["undo_learning"], key)
            left = await connection.fetch(STATEMENTS["leave_patterns"], key)
            ids = [str(row["pattern"]) for row in left]
            forgotten = await connection.fetch(STATEMENTS["forget_patterns"], ids)
        return tuple(sorted(str(row["id"]) for row in forgotten))

    async def _statement(self, connection: Connection) -> str:
        """Return the statement that compares vectors in this database."""
        if not self._has_vectors:  # asked again while it is missing: it may be installed later
            has_vectors = bool(await connection.fetchval(STATEMENTS["has_vectors"]))
            if self._has_vectors is None and not has_vectors:
                _log.warning(
                    "no pgvector in this database: patterns are compared in plain SQL, which is "
                    "slower; to use pgvector, run CREATE EXTENSION vector"
                )
            self._has_vectors = has_vectors
        return "similar_patterns" if self._has_vectors else "similar_patterns_plain"

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Connection]:
        try:
            async with self._database.transaction() as connection:
                yield connection
        except EventStoreError as error:
            raise PatternStoreError(str(error)) from error


def _identity(embedding: str, accepted: AcceptedCode) -> str:
    parts = (embedding, accepted.language, accepted.prompt, accepted.code)
    return sha256("\0".join(parts).encode()).hexdigest()
