"""``ntbridge run``: runs the daemon."""

from bridge.cli.common import DEFAULT_CONNECT, Connect


async def run(connect: Connect = DEFAULT_CONNECT) -> None:
    """Run the daemon until SIGINT or SIGTERM: intake, dispatch and relay.

    Waits for servers that do not answer yet. Set up the servers with ``ntbridge migrate`` first,
    or use ``ntbridge dev``, which does everything. A changed routes file is loaded when it is
    saved, or on SIGHUP.
    """
    from bridge.daemon.lifecycle import serve

    await serve(connect.settings())
