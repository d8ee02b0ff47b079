"""``ntbridge doctor``: checks servers and settings."""

from bridge.cli import exits
from bridge.cli.common import DEFAULT_CONNECT, Connect
from bridge.cli.printer import ColumnsFlag, OutputFlag, Printer
from bridge.settings import discovery


async def doctor(
    *,
    output: OutputFlag = None,
    columns: ColumnsFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> int:
    """Check servers, streams, schema and routes; say how to fix each failure.

    Exit code 0 if no check failed, else 4. Also shows the source of each setting.

    Parameters
    ----------
    output:
        table (in a terminal), ndjson (in a pipe), wide, json or yaml.
    """
    from bridge.cli.plugins import plugged_findings
    from bridge.health.doctor import examine
    from bridge.settings.logging import configure

    loaded = connect.load()
    discovery.require_servers(loaded)
    configure(loaded.settings.log)
    findings = [*await examine(loaded), *await plugged_findings()]
    origins = [
        {"check": f"setting {key}", "state": "ok", "detail": f"from {origin}", "to do": None}
        for key, origin in sorted(loaded.origins.items())
    ]
    Printer(output, only=columns).all([*(finding.row() for finding in findings), *origins])
    healthy = all(finding.state != "failed" for finding in findings)
    return exits.OK if healthy else exits.UNAVAILABLE
