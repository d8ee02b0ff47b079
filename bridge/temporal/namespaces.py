"""A gateway to each namespace that the settings name."""

from collections.abc import Mapping

from temporalio.runtime import Runtime

from bridge.settings.schema import NamespacesSettings
from bridge.temporal.client import Gateway, connect


async def connect_each(
    settings: NamespacesSettings, runtime: Runtime | None = None
) -> Mapping[str, Gateway]:
    """Return a gateway to each namespace, as plans call them: the default one first.

    Each has a connection of its own, so that none waits for another. They connect on their first call.

    Args:
        settings: The addresses and credentials.
        runtime: Collects metrics and logs of the calls; default: the SDK's own.
    """
    return {name: await connect(each, runtime) for name, each in settings.each.items()}
