"""What every test may ask for. Servers are started when the first test asks, once a session."""

import os
import secrets
import signal
from collections.abc import AsyncIterator, Iterator, Mapping

import pytest
import pytest_asyncio

from bridge.devstack.addresses import Addresses
from bridge.devstack.environment import foreign_settings
from bridge.sql.storage import COMPONENTS
from eventstore.migrate import migrate
from tests.support import databases, servers, warm_start
from tests.support.containers import containers
from tests.support.in_memory import in_memory_folder
from tests.support.streams import delete_streams

_external = pytest.StashKey[Mapping[str, str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--stack",
        choices=servers.CHOICES,
        default="embedded",
        help="the servers to test against: embedded (default), containers (of the images in compose/compose.yaml), "
        "or external ones, named by NTBRIDGE_TEST_…",
    )
    parser.addoption(
        "--cold",
        action="store_true",
        help="start each program of ours by a new interpreter (see tests/support/warm_start.py)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Forget every exported address and setting before the first test module is imported."""
    # Of a background job SIGINT is ignored, and what is ignored here is ignored in the
    # children, which tests interrupt as a person would.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    found = {name: os.environ.pop(name) for name in foreign_settings(list(os.environ))}
    config.stash.setdefault(_external, found)
    if (folder := in_memory_folder()) is not None:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(folder))  # for tmp_path
    if not config.getoption("--cold"):
        config.add_cleanup(warm_start.install())


def pytest_unconfigure(config: pytest.Config) -> None:
    exported = config.stash[_external]
    os.environ.update(exported)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what needs servers, so that `-m 'not servers'` leaves it out."""
    if isinstance(item, pytest.Function) and "stack" in item.fixturenames:
        item.add_marker(pytest.mark.servers)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put slow files first.

    A slow file mostly waits. At the end of a run one process would wait alone; at the beginning
    the others compute meanwhile.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow") is not None}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def stack(pytestconfig: pytest.Config) -> Iterator[Addresses]:
    """Where the servers are that the whole session shares. Nothing of theirs may be left by a test."""
    if pytestconfig.getoption("--stack") == "external":
        yield servers.external(pytestconfig.stash[_external])
        return
    is_contained = pytestconfig.getoption("--stack") == "containers"
    with containers() if is_contained else servers.embedded(in_memory_folder()) as addresses:
        yield addresses


@pytest.fixture
async def database_url(stack: Addresses) -> AsyncIterator[str]:
    """DSN of a fresh, empty database of the test's own."""
    async with databases.database(stack.database_url) as url:
        yield url


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def migrated_template(stack: Addresses) -> AsyncIterator[str]:
    """Name of a database with all our tables and no rows, to copy from; nobody may connect to it."""
    async with databases.database(stack.database_url) as url:
        await migrate(url, COMPONENTS)
        yield databases.name_of(url)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def eventstore_template(stack: Addresses) -> AsyncIterator[str]:
    """Likewise, with the event store's tables alone."""
    async with databases.database(stack.database_url) as url:
        await migrate(url)
        yield databases.name_of(url)


@pytest.fixture
async def migrated_database_url(stack: Addresses, migrated_template: str) -> AsyncIterator[str]:
    """DSN of a database of the test's own with all our tables and no rows."""
    async with databases.database(stack.database_url, template=migrated_template) as url:
        yield url


@pytest.fixture
async def prefix(stack: Addresses) -> AsyncIterator[str]:
    """A token that is the test's own; streams `<prefix>-…` are deleted at the end."""
    token = f"t{secrets.token_hex(4)}"
    yield token
    await delete_streams(stack.nats_url, token)


@pytest.fixture
def task_queue() -> str:
    """A Temporal task queue of the test's own."""
    return f"queue-{secrets.token_hex(4)}"
