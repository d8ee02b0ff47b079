"""Adapters by the names that the settings give them: ours, or a team's own."""

import pkgutil
from collections.abc import Callable, Mapping
from typing import TypeVar

from workflows.errors import InvalidSettingError
from workflows.modules.module import Means

Port = TypeVar("Port")


def adapter(
    setting: str, named: str, ours: Mapping[str, Callable[[], Port]], means: Means
) -> Port:
    """Make the adapter that a setting names.

    Args:
        setting: The setting's name, for errors.
        named: One of ``ours``, or ``package.module:factory``: that is called with the means, and
            returns an object with the methods of the port.
        ours: How those are made that have a name of their own.
        means: What adapters may need.

    Raises:
        InvalidSettingError: There is no such factory.
    """
    if named in ours:
        return ours[named]()
    try:
        factory = pkgutil.resolve_name(named)
    except (ImportError, AttributeError) as error:
        raise InvalidSettingError(f"{setting}: {named} cannot be imported: {error}") from error
    if not callable(factory):
        raise InvalidSettingError(f"{setting}: {named} is no function")
    made: Port = factory(means)
    return made
