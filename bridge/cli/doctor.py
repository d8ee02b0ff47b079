"""``ntbridge doctor``: is everything there, and set up?"""

from bridge.cli import exits
from bridge.cli.common import DEFAULT_CONNECT, Connect, OutputFlag, Printer
from bridge.settings import discovery


async def doctor(*, output: OutputFlag = None, connect: Connect = DEFAULT_CONNECT) -> int:
    """Check servers, streams, schema and routes, and say what to do about what is missing.

    Exit code 0 when all is well, 4 when something is not. Shows where each setting that was
    made came from.

    Parameters
    ----------
    output:
        How to print the findings.
    """
    from bridge.health.doctor import examine
    from bridge.settings.logging import configure

    loaded = connect.load()
    discovery.require_servers(loaded)
    configure(loaded.settings.log)
    findings = await examine(loaded)
    origins = [
        {"check": f"setting {key}", "state": "ok", "detail": f"from {origin}", "to do": None}
        for key, origin in sorted(loaded.origins.items())
    ]
    Printer(output).all([*(finding.row() for finding in findings), *origins])
    healthy = all(finding.state != "failed" for finding in findings)
    return exits.OK if healthy else exits.UNAVAILABLE
