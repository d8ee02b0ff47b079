"""Logins of Postgres with one of the store's roles each."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

from bridge.sql.storage import COMPONENTS
from eventstore.migrate import make_roles
from tests.support.databases import execute


@asynccontextmanager
async def login(database_url: str, role: str | None, name: str = "login") -> AsyncIterator[str]:
    """Make a login that is a member of a role, for a migrated database; yield its DSN."""
    await make_roles(database_url, COMPONENTS)
    parts = urlsplit(database_url)
    # Logins are those of the whole server.
    user = f"{name}_{secrets.token_hex(4)}"
    member = f"IN ROLE {role}" if role else ""
    await execute(database_url, f"CREATE ROLE {user} LOGIN PASSWORD '{user}' {member}")
    try:
        yield urlunsplit(parts._replace(netloc=f"{user}:{user}@{parts.hostname}:{parts.port}"))
    finally:
        await execute(database_url, f"DROP OWNED BY {user}; DROP ROLE {user}")
