"""Commands that other packages add to ``ntbridge``.

A package names them in the entry point group ``ntbridge.commands``: the entry point's name is the
command's, its object a cyclopts ``App`` of that name::

    [project.entry-points."ntbridge.commands"]
    approvals = "workflows.commands.approvals:app"

A command gets what it needs to know from us, and need not import this package: its functions
declare a parameter that is not parsed, of whatever type and name, and are given a
`bridge.cli.host.Host`. The flags of `Connect` are added to each of them.

.. code-block:: python

    @app.command
    async def ls(*, host: Annotated[Host, Parameter(parse=False)]) -> None: ...

It ends with an exit code by returning it, or with a message by raising an exception that has an
``exit_code``. A package's module is imported when its command is used, or the list of all is
shown; it should import what is heavy in the functions only. One that cannot be loaded says so in
one line, in the list and when it is used, and bothers no other.
"""

import inspect
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any

from cyclopts import App, Parameter

from bridge.cli import exits
from bridge.cli.common import DEFAULT_CONNECT, Connect
from bridge.cli.exits import Exit

GROUP = "ntbridge.commands"

_Tokens = Annotated[str, Parameter(show=False, allow_leading_hyphen=True)]


def attach(app: App, tokens: Sequence[str]) -> None:
    """Add the plug-ins that a command line is about: the one it names, or all when it names none.

    A name that is taken stays what it is.
    """
    first = next((token for token in tokens if not token.startswith("-")), None)
    if first is not None and first in app:
        return
    found = {plugin.name: plugin for plugin in entry_points(group=GROUP)}
    named = [found[first]] if first in found else list(found.values())
    for plugin in named:
        if plugin.name not in app:
            app.command(_loaded(plugin), name=plugin.name)


def _loaded(plugin: EntryPoint) -> App:
    try:
        made = plugin.load()
        if not isinstance(made, App):
            return _broken(plugin, f"{plugin.value} is no cyclopts App")
        if made.name != (plugin.name,):
            return _broken(plugin, f"{plugin.value} has the name {' '.join(made.name)!r}")
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, ours go on
        return _broken(plugin, f"{type(error).__name__}: {error}")
    return _hosted(made)


def _hosted(plugged: App) -> App:
    """Return an app that takes our flags too, and gives the plugged one's commands a host."""

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
    told = f"the command {plugin.name!r} of {package} cannot be loaded: {_one_line(reason)}"

    def fail(*_: _Tokens) -> None:
        raise Exit(exits.FAILED, told)

    # Even --help is for the stand-in to answer.
    app = App(name=plugin.name, help=told, help_flags=(), version_flags=())
    app.default(fail)
    return app


def _one_line(text: str) -> str:
    return " ".join(inspect.cleandoc(text).split())
