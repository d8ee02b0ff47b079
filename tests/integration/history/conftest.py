"""A bridge of the test's own, its database and store, and a plain client of NATS."""

from tests.integration.dead_letters.conftest import database, store
from tests.support.fixtures import bridge, client

__all__ = ["bridge", "client", "database", "store"]
