"""A console over a database of the test's own, asked without a network."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
import yaml

from bridge.console.app import application
from bridge.console.parts import Parts
from bridge.console.server import opened
from bridge.console.tokens import as_yaml, new_token
from bridge.devstack.addresses import Addresses
from bridge.settings.sources import Source, load
from tests.support.store_fixtures import database, store

__all__ = ["database", "store"]

ROUTES = {
    "routes": [
        {
            "name": "orders",
            "from": "events.shop.ordered",
            "when": "data.total > 10.0",
            "concurrency": {"key": "event.id", "limit": 2, "when_full": "replace_queued"},
            "start": {"workflow": "Ship", "task_queue": "shipping", "id": '"ship/" + event.id'},
        }
    ]
}


@dataclass(frozen=True, kw_only=True)
class Console:
    """A console, and tokens for it."""

    parts: Parts
    operator: str
    viewer: str

    def browser(
        self, peer: str = "127.0.0.1", host: str = "127.0.0.1:8235"
    ) -> httpx.AsyncClient:
        """A client that keeps cookies and follows no redirect."""
        transport = httpx.ASGITransport(application(self.parts), client=(peer, 40_000))
        return httpx.AsyncClient(transport=transport, base_url=f"http://{host}")

    @asynccontextmanager
    async def logged_in(self, token: str) -> AsyncIterator[httpx.AsyncClient]:
        """A client with a session."""
        async with self.browser() as browser:
            await log_in(browser, token)
            yield browser


async def log_in(browser: httpx.AsyncClient, token: str) -> None:
    """Log in as a person would."""
    form = {"token": token, "csrf": await csrf(browser, "/login")}
    answer = await browser.post("/login", data=form)
    assert answer.status_code == 303, answer.text


async def csrf(browser: httpx.AsyncClient, path: str) -> str:
    """The token of the forms of a page; empty if it has none."""
    text = (await browser.get(path)).text
    _, found, rest = text.partition('name="csrf" value="')
    return rest.partition('"')[0] if found else ""


@pytest.fixture
def url(migrated_database_url: str) -> str:
    """The database of the console; a module may replace it."""
    return migrated_database_url


@pytest.fixture
async def console(stack: Addresses, url: str, tmp_path: Path) -> AsyncIterator[Console]:
    routes, tokens = tmp_path / "routes.yaml", tmp_path / "tokens.yaml"
    routes.write_text(yaml.safe_dump(ROUTES))
    operator, first = new_token("ada", "operator")
    viewer, second = new_token("bob", "viewer")
    tokens.write_text(as_yaml([first, second]))
    loaded = load(
        [
            Source(
                "the test",
                {
                    "nats.url": stack.nats_url,
                    "temporal.address": stack.temporal_address,
                    "database.url": url,
                    "routes": str(routes),
                    "console.tokens": str(tokens),
                    "console.temporal_ui": "http://temporal.example.com",
                    "console.proxy.addresses": ["192.0.2.7"],
                    "console.proxy.operators": ["eve"],
                },
            )
        ]
    )
    async with opened(loaded) as parts:
        yield Console(parts=replace(parts, plugins=()), operator=operator, viewer=viewer)
