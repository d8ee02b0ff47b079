"""``ntbridge migrate``: what the bridge needs on its servers."""

from typing import Annotated

from cyclopts import Parameter

from bridge.cli.common import DEFAULT_CONNECT, Connect, OutputFlag, Printer, note


async def migrate(
    *,
    print_sql: Annotated[bool, Parameter(name="--print", negative="")] = False,
    roles: Annotated[bool, Parameter(negative="")] = False,
    restored: Annotated[bool, Parameter(negative="")] = False,
    output: OutputFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> None:
    """Make tables, NATS streams and Temporal search attributes that are missing.

    What exists is left as it is. Safe to run again, and from several places at once.

    Parameters
    ----------
    print_sql:
        Print the SQL of all migrations instead, for those who apply it by their own means;
        with --roles that of the roles too. Touches no server.
    roles:
        Also make the database roles ntbridge_owner (owns the tables, no login), ntbridge_app
        (what the daemon needs), ntbridge_worker (what workers need) and ntbridge_reader. Needs
        the right to create roles.
    restored:
        A backup of the database was restored: begin a new incarnation of the event store, so
        that whoever has read further than the backup goes is told so.
    output:
        How to print what was made.
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

    settings = connect.settings()
    prepared = await prepare(settings)
    if roles:
        await make_roles(settings.database.url, COMPONENTS)
        note(
            "roles are there: ntbridge_owner, ntbridge_app, ntbridge_worker, ntbridge_reader; "
            "grant them to logins"
        )
    if restored:
        from bridge.sql.storage import open_store

        async with open_store(settings, "ntbridge migrate") as (_, store):
            note(f"the store's incarnation is {await store.renew_incarnation()} from now on")
    from bridge.health.sources import sources_of

    async with sources_of(settings, "ntbridge migrate") as sources:
        async for history in sources.histories():
            note(history)
    made = [
        *(("table migration", name) for name in prepared.migrations),
        *(("NATS stream", name) for name in prepared.streams),
        *(("NATS consumer", name) for name in prepared.consumers),
        *(("search attribute", name) for name in prepared.search_attributes),
    ]
    rows = [{"made": kind, "name": name} for kind, name in made]
    Printer(output, ("made", "name")).all(rows or [{"made": "nothing", "name": "all there"}])
