"""``ntbridge run``: the daemon."""

from bridge.cli.common import DEFAULT_CONNECT, Connect


async def run(connect: Connect = DEFAULT_CONNECT) -> None:
    """Run the daemon until SIGINT or SIGTERM: intake, dispatch and relay.

    Waits for servers that are not there yet. Set up the servers first with
    ``ntbridge migrate``, or use ``ntbridge dev``, which does everything.
    Changed routes are put in force as they are saved, or on SIGHUP.
    """
    from bridge.daemon.lifecycle import serve

    await serve(connect.settings())
