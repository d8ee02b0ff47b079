"""The bridge's own tables and statements; one statement a file."""

from eventstore.migrate import Component
from eventstore.statements import Statements

STATEMENTS = Statements("bridge.sql.statements")
COMPONENT = Component("bridge", "bridge.sql.migrations")
