"""A database of the test's own, and parts of a daemon around it."""

from tests.support.daemon_parts_fixtures import database, parts, temporal

__all__ = ["database", "parts", "temporal"]
