"""Databases of their own for tests, on the server of the stack."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg


def with_database(url: str, name: str) -> str:
    """The same DSN, for another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def with_password(url: str, password: str) -> str:
    """The same DSN, with another password."""
    parts = urlsplit(url)
    netloc = f"{parts.username}:{password}@{parts.netloc.rpartition('@')[2]}"
    return urlunsplit(parts._replace(netloc=netloc))


def name_of(url: str) -> str:
    """The name of the database that a DSN leads to."""
    return urlsplit(url).path.removeprefix("/")


async def execute(url: str, statement: str) -> None:
    """Run one statement over a connection of its own."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await connection.execute(statement, timeout=60)
    finally:
        await connection.close(timeout=10)


@asynccontextmanager
async def database(server: str, *, template: str = "template0") -> AsyncIterator[str]:
    """A database of its own, dropped at the end whoever is still connected to it; yields its DSN.

    Args:
        server: DSN of any other database of the same server.
        template: name of the database that it is a copy of.
    """
    name = f"test_{secrets.token_hex(6)}"
    await execute(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield with_database(server, name)
    finally:
        await execute(server, f"DROP DATABASE {name} WITH (FORCE)")
