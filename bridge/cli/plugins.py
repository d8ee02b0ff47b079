"""Commands that other packages add to ``ntbridge``.

A package lists them in the entry point group ``ntbridge.commands``: the entry point has the name of
the command, its object is a cyclopts ``App`` of that name::

    [project.entry-points."ntbridge.commands"]
    approvals = "workflows.commands.approvals:app"

A command need not import this package: its functions declare a parameter that is not parsed, of
any type and name, and receive a `bridge.cli.host.Host` in it. The flags of `Connect` are added to
each command.

.. code-block:: python

    @app.command
    async def ls(*, host: Annotated[Host, Parameter(parse=False)]) -> None: ...

Its help ends with examples if the command has a ``help_epilogue`` (`bridge.runtime.terminal.examples_of`).

It returns its exit code, or raises an exception that has an ``exit_code``; the message is printed.
The module is imported when its command is used or all commands are listed, so it should import
slow modules inside its functions. A plug-in that cannot be loaded shows the reason in one line, in
the list and on use, and does not affect others.
"""

import inspect
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any

from cyclopts import App, Parameter

from bridge.cli import exits
from bridge.cli.common import DEFAULT_CONNECT, Connect
from bridge.cli.exits import Exit
from bridge.runtime.findings import Finding

GROUP = "ntbridge.commands"
CHECKS = "ntbridge.checks"
"""Checks for ``ntbridge doctor``: coroutine functions without parameters that return findings."""

_Tokens = Annotated[str, Parameter(show=False, allow_leading_hyphen=True)]


def attach(app: App, tokens: Sequence[str]) -> None:
    """Add the plug-in that a command line names, or all if it names no command.

    A plug-in cannot replace an existing command.
    """
    first = next((token for token in tokens if not token.startswith("-")), None)
    if first is not None and first in app:
        return
    found = {plugin.name: plugin for plugin in entry_points(group=GROUP)}
    named = [found[first]] if first in found else list(found.values())
    for plugin in named:
        if plugin.name not in app:
            app.command(_loaded(plugin), name=plugin.name)


async def plugged_findings() -> list[Finding]:
    """Return the findings of the checks that other packages add to ``ntbridge doctor``.

    A check that cannot be loaded or that fails is a failed finding, and does not affect others.
    """
    findings: list[Finding] = []
    for plugin in entry_points(group=CHECKS):
        try:
            findings += await plugin.load()()
        except Exception as error:  # noqa: BLE001 - a broken plug-in must not break the others
            reason = f"{type(error).__name__}: {_one_line(str(error))}"
            to_do = f"repair the check {plugin.value}, or uninstall its package"
            findings.append(Finding(plugin.name, "failed", reason, to_do))
    return findings


def _loaded(plugin: EntryPoint) -> App:
    try:
        made = plugin.load()
        if not isinstance(made, App):
            return _broken(plugin, f"{plugin.value} is not a cyclopts App")
        if made.name != (plugin.name,):
            return _broken(plugin, f"{plugin.value} has the name {' '.join(made.name)!r}")
    except Exception as error:  # noqa: BLE001 - a broken plug-in must not break other commands
        return _broken(plugin, f"{type(error).__name__}: {error}")
    return _hosted(made)


def _hosted(plugged: App) -> App:
    """Return an app with the flags of `Connect` that passes a host to the plug-in's commands."""

    def launch(*tokens: _Tokens, connect: Connect = DEFAULT_CONNECT) -> Any:
        from bridge.cli.host import Host

        command, bound, unparsed = plugged.parse_args(
            tokens, exit_on_error=False, print_error=False
        )
        given = dict.fromkeys(unparsed, Host(connect))
        return command(*bound.args, **{**bound.kwargs, **given})

    plugged.meta.default(launch)
    plugged.meta.help = plugged.help
    plugged.usage = plugged.usage or f"Usage: ntbridge {plugged.name[0]} COMMAND"
    return plugged.meta


def _broken(plugin: EntryPoint, reason: str) -> App:
    package = plugin.dist.name if plugin.dist else "an unknown package"
    message = f"the command {plugin.name!r} of {package} cannot be loaded: {_one_line(reason)}"

    def fail(*_: _Tokens) -> None:
        raise Exit(exits.FAILED, message)

    # The replacement answers --help too.
    app = App(name=plugin.name, help=message, help_flags=(), version_flags=())
    app.default(fail)
    return app


def _one_line(text: str) -> str:
    return " ".join(inspect.cleandoc(text).split())
