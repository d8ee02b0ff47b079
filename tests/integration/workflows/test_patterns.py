"""Accepted code is remembered in Postgres, found again by what it was asked for, and forgotten."""

import asyncio
import math
from collections.abc import AsyncIterator

import pytest

from eventstore.database import Database
from tests.support.proxy import Proxy
from workflows.adapters.patterns.lexical import LexicalEmbeddings
from workflows.adapters.patterns.postgres import PostgresPatterns
from workflows.adapters.recipes.folder import builtin
from workflows.adapters.recipes.phrases import Prompt
from workflows.errors import PatternStoreError, RunUndoneError
from workflows.messages.patterns import AcceptedCode
from workflows.ports import VectorDatabase


@pytest.fixture
async def database(migrated_database_url: str) -> AsyncIterator[Database]:
    database = await Database.connect(migrated_database_url)
    yield database
    await database.close()


@pytest.fixture
def patterns(database: Database) -> VectorDatabase:
    return PostgresPatterns(database, LexicalEmbeddings())


def accepted(prompt: str, *, key: str = "run/1", code: str = "x = 1\n") -> AcceptedCode:
    return AcceptedCode(key=key, prompt=prompt, code=code, language="python")


async def prompts(patterns: VectorDatabase, text: str, limit: int = 5) -> list[str]:
    found = await patterns.similar(text, language="python", limit=limit)
    return [pattern.prompt for pattern in found]


async def test_the_most_similar_are_found_with_and_without_pgvector(
    database: Database, patterns: VectorDatabase
) -> None:
    recipes = builtin()[::4] + tuple(r for r in builtin() if r.name == "merge_sort")
    for recipe in recipes:
        values = recipe.read(Prompt(recipe.example))
        assert values is not None
        code = recipe.write(None, values)
        learned = await patterns.learn(accepted(recipe.example, code=code))
        assert learned.new
    for recipe in recipes:
        assert (await prompts(patterns, f"please {recipe.example.lower()}"))[
            0
        ] == recipe.example

    asked = "a merge sort of numbers"
    by_pgvector = await patterns.similar(asked, language="python", limit=5)
    assert len(by_pgvector) == 5
    assert by_pgvector[0].prompt == "Implement merge sort in descending order"
    assert "def merge_sort" in by_pgvector[0].code
    assert by_pgvector[0].embedding == "lexical/1"
    assert 0 < by_pgvector[0].similarity < 1
    assert await patterns.similar(asked, language="go", limit=5) == ()
    choosy = PostgresPatterns(database, LexicalEmbeddings(), min_similarity=0.4)
    assert [p.prompt for p in await choosy.similar(asked, language="python", limit=5)] == [
        "Implement merge sort in descending order"
    ]
    assert await choosy.similar("a web server", language="python", limit=5) == ()

    await database.execute("DROP EXTENSION vector")
    plain = PostgresPatterns(database, LexicalEmbeddings())
    in_plain_sql = await plain.similar(asked, language="python", limit=5)
    assert [pattern.id for pattern in in_plain_sql] == [pattern.id for pattern in by_pgvector]
    for one, other in zip(in_plain_sql, by_pgvector, strict=True):
        assert math.isclose(one.similarity, other.similarity, abs_tol=1e-6)


async def test_what_is_learned_twice_is_remembered_once(patterns: VectorDatabase) -> None:
    first = await patterns.learn(accepted("Reverse a string"))
    again = await patterns.learn(accepted("Reverse a string"))
    assert (first.new, again.new, first.id == again.id) == (True, False, True)
    other = await patterns.learn(accepted("Reverse a string", code="y = 2\n"))
    assert other.new


async def test_what_a_run_learned_is_forgotten_unless_another_stands_by_it(
    patterns: VectorDatabase,
) -> None:
    mine = await patterns.learn(accepted("Reverse a string", key="run/1"))
    await patterns.learn(accepted("Flatten a list", key="run/1"))
    await patterns.learn(accepted("Flatten a list", key="run/2"))
    assert await patterns.forget("run/1") == (mine.id,)
    assert await prompts(patterns, "reverse flatten") == ["Flatten a list"]
    assert await patterns.forget("run/1") == ()
    assert await patterns.forget("run/nothing") == ()
    with pytest.raises(RunUndoneError, match="run/1"):
        await patterns.learn(accepted("Reverse a string", key="run/1"))


async def test_learning_and_undoing_at_once_leave_nothing(patterns: VectorDatabase) -> None:
    for number in range(10):
        key = f"race/{number}"
        outcomes = await asyncio.gather(
            patterns.learn(accepted(f"Prompt {number}", key=key)),
            patterns.forget(key),
            return_exceptions=True,
        )
        assert all(
            not isinstance(o, Exception) or isinstance(o, RunUndoneError) for o in outcomes
        )
    assert await prompts(patterns, "Prompt") == []


async def test_a_database_that_is_away_or_bare_is_told(
    database_url: str, migrated_database_url: str
) -> None:
    bare = await Database.connect(database_url)
    try:
        with pytest.raises(PatternStoreError, match="migrate the database"):
            await prompts(PostgresPatterns(bare, LexicalEmbeddings()), "x")
    finally:
        await bare.close()
    async with Proxy.to(migrated_database_url) as proxy:
        away = await Database.connect(proxy.through(migrated_database_url), deadline=2)
        patterns = PostgresPatterns(away, LexicalEmbeddings())
        assert await prompts(patterns, "x") == []
        await proxy.refuse()
        with pytest.raises(PatternStoreError):
            await prompts(patterns, "x")
        await away.close()


async def test_lexical_vectors_compare_words() -> None:
    embeddings = LexicalEmbeddings()

    async def likeness(one: str, other: str) -> float:
        first, second = await embeddings.embed(one), await embeddings.embed(other)
        assert math.isclose(math.hypot(*first), 1)
        return math.fsum(a * b for a, b in zip(first, second, strict=True))

    assert math.isclose(await likeness("Sort a LIST", "sort a list"), 1)
    near, far = "sorting lists", "put the numbers in order"
    assert await likeness("sort a list", near) > await likeness("sort a list", far) + 0.2
    assert await likeness("sort a list", "\uff33\uff4f\uff52\uff54 a list") > 0.99, "NFKC"
    assert (await embeddings.embed(""))[0] == 1
    # The vectors are stored: what makes them may not change without its name.
    vector = await embeddings.embed("sort a list")
    first = [round(number, 6) for number in vector if number][:4]
    assert first == [-0.20275, 0.20275, -0.20275, 0.20275]
