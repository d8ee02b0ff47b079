"""``ntbridge migrate``: sets up the servers."""

from typing import Annotated

from cyclopts import Parameter

from bridge.cli.common import DEFAULT_CONNECT, Connect, note
from bridge.cli.printer import OutputFlag, Printer


async def migrate(
    *,
    print_sql: Annotated[bool, Parameter(name="--print", negative="")] = False,
    roles: Annotated[bool, Parameter(negative="")] = False,
    restored: Annotated[bool, Parameter(negative="")] = False,
    output: OutputFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> None:
    """Create missing tables, NATS streams and Temporal search attributes.

    Existing ones are not changed. Safe to repeat, and to run several times at once.

    Parameters
    ----------
    print_sql:
        Print the SQL of all migrations instead, to apply it with another tool; with --roles also
        the SQL of the roles. Connects to no server.
    roles:
        Also create the database roles ntbridge_owner (owns the tables, no login), ntbridge_app
        (for the daemon), ntbridge_worker (for workers), ntbridge_console (for a console that
        acts) and ntbridge_reader. The user needs the right to create roles.
    restored:
        A backup of the database was restored: start a new incarnation of the event store.
        Readers with a checkpoint after the backup then get an error.
    output:
        table (in a terminal), ndjson (in a pipe), wide, json or yaml.
    """
    from bridge.runtime.terminal import print_exact
    from bridge.sql.storage import COMPONENTS
    from eventstore.migrate import make_roles, role_scripts, script

    if print_sql:
        print_exact(script(COMPONENTS))
        if roles:
            print_exact("\n".join(role_scripts(COMPONENTS)))
        return
    from bridge.daemon.setup import prepare

    settings = connect.settings_with_sources()
    prepared = await prepare(settings)
    if roles:
        await make_roles(settings.database.url, COMPONENTS)
        note(
            "the roles exist: ntbridge_owner, ntbridge_app, ntbridge_worker, ntbridge_console, "
            "ntbridge_reader; "
            "grant them to your logins"
        )
    if restored:
        from bridge.sql.storage import open_store

        async with open_store(settings, "ntbridge migrate") as (_, store):
            note(f"the store's new incarnation is {await store.renew_incarnation()}")
    from bridge.health.sources import sources_of

    async with sources_of(settings, "ntbridge migrate") as sources:
        async for history in sources.histories():
            note(history)
    for to_do in prepared.to_do:
        note(to_do)
    made = [
        *(("table migration", name) for name in prepared.migrations),
        *(("NATS stream", name) for name in prepared.streams),
        *(("NATS consumer", name) for name in prepared.consumers),
        *(("search attribute", name) for name in prepared.search_attributes),
    ]
    rows = [{"made": kind, "name": name} for kind, name in made]
    Printer(output, ("made", "name")).all(rows or [{"made": "nothing", "name": "all there"}])
