"""PgBouncer in front of a Postgres server. No wheel has it: it is the system's own, if there is one."""

import asyncio
import os
import pwd
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from bridge.devstack.ports import HOST, pick
from tests.support.waiting import eventually

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
MISSING = "needs the program pgbouncer (Debian: apt-get install pgbouncer), which is not here"


_CONFIG = "pgbouncer.ini"


def _configured(text: str) -> Path:
    """A folder that everybody may read, with the configuration in it."""
    folder = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
    folder.chmod(0o755)
    (folder / _CONFIG).write_text(text, encoding="utf-8")
    return folder


@asynccontextmanager
async def pgbouncer(
    url: str, *, mode: str, pool_size: int = 10, more: str = "", tls: bool = False
) -> AsyncIterator[str]:
    """Run PgBouncer before the server of a DSN; yield the DSN that leads through it.

    Args:
        url: the server's.
        mode: its pool_mode.
        pool_size: how many sessions of the server it has.
        more: further lines of its configuration.
        tls: whether they demand TLS, which the wait for its start does not speak.
    """
    parts = urlsplit(url)
    port = pick([])
    name = parts.path.removeprefix("/")
    folder = _configured(
        f"[databases]\n{name} = host={parts.hostname} port={parts.port} user={parts.username} "
        f"password={parts.password}\n"
        f"[pgbouncer]\nlisten_addr = {HOST}\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = any\npool_mode = {mode}\ndefault_pool_size = {pool_size}\n"
        f"server_tls_sslmode = disable\n{more}\n"
    )
    process = await asyncio.create_subprocess_exec(
        PROGRAM or "",
        "-q",
        str(folder / _CONFIG),
        # It refuses to run as root.
        user=pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None,
    )
    try:
        netloc = f"{parts.username}:{parts.password}@{HOST}:{port}"
        through = urlunsplit(parts._replace(netloc=netloc))

        async def answers() -> bool:
            if tls:
                _, writer = await asyncio.open_connection(HOST, port)
                writer.close()
                return True
            connection = await asyncpg.connect(through, timeout=2, statement_cache_size=0)
            await connection.close(timeout=2)
            return True

        await eventually(answers, forgive=(OSError, asyncpg.PostgresError))
        yield through
    finally:
        process.kill()
        await process.wait()
        shutil.rmtree(folder)
