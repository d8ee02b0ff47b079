"""A bridge with the sample routes."""

from tests.support.pipelines_fixtures import pipelines_bridge

__all__ = ["pipelines_bridge"]
