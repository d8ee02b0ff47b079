"""A database of the test's own, and a house around it."""

from tests.support.house_fixtures import database, house, temporal

__all__ = ["database", "house", "temporal"]
