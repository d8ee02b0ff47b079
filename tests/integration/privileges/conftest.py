"""What the tests of logins share: the bridge's own database, and the servers."""

from tests.support.fixtures import bridge

__all__ = ["bridge"]
