"""A bridge of the test's own."""

from tests.support.fixtures import bridge

__all__ = ["bridge"]
