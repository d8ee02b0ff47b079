"""The pipelines' own tables and statements; one statement a file.

``ntbridge migrate`` makes them: the component joins it through the entry point group
``ntbridge.components``.
"""

from eventstore.migrate import Component
from eventstore.statements import Statements

STATEMENTS = Statements("workflows.sql.statements")
COMPONENT = Component("workflows", "workflows.sql.migrations")
