"""A bridge of the test's own, and a plain client of NATS."""

from tests.support.fixtures import bridge, client

__all__ = ["bridge", "client"]
