"""``ntbridge console`` and ``ntbridge console-token``."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from bridge.cli.common import DEFAULT_CONNECT, Connect, note


async def console(
    *,
    host: str | None = None,
    port: int | None = None,
    tokens: Path | None = None,
    temporal_ui: str | None = None,
    connect: Connect = DEFAULT_CONNECT,
) -> None:
    """Serve the web console until SIGINT or SIGTERM.

    Reading needs no login on this machine. Other machines, and everything that changes something, need
    a token: make one with 'ntbridge console-token'. A database role that may only read is enough to look.

    Parameters
    ----------
    host:
        Address to listen on [default: 127.0.0.1].
    port:
        Port [default: 8235, or any free one]; 0 for any free port.
    tokens:
        File of the hashed login tokens.
    temporal_ui:
        Address of Temporal's web interface, for links to runs.
    """
    from dataclasses import replace

    from bridge.cli.flag_settings import with_flags
    from bridge.console.server import serve
    from bridge.runtime.signals import stop_requested
    from bridge.settings import discovery, logging

    loaded = connect.load()
    discovery.require_servers(loaded)
    logging.configure(loaded.settings.log)
    own = with_flags(
        loaded.settings.console,
        "console",
        {"host": host, "port": port, "tokens": tokens, "temporal_ui": temporal_ui},
    )
    settings = loaded.settings.model_copy(update={"console": own})
    await serve(replace(loaded, settings=settings), stop_requested(settings.stop_within))


def console_token(
    name: str,
    *,
    role: Annotated[Literal["viewer", "operator"], Parameter(negative=())],
) -> None:
    """Make a login token for the console, and print the entry for its file.

    The token is printed once, to standard error; the entry holds only its hash.

    Parameters
    ----------
    name:
        Who will use it; the audit shows this name.
    role:
        viewer: reads. operator: also redrives, drops and answers.
    """
    from bridge.console.tokens import as_yaml, new_token
    from bridge.runtime.terminal import print_text

    text, token = new_token(name, role)
    note(f"the token of {name}, shown only now: {text}")
    print_text(as_yaml([token]).rstrip("\n"), keep="\n")
