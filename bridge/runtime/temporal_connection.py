"""Connecting to Temporal, for the daemon and the workers."""

import ipaddress
from typing import TYPE_CHECKING, Any

from bridge.runtime.errors import ClearTextKeyError

if TYPE_CHECKING:
    from temporalio.client import Client


def check_api_key(address: str, api_key: str | None, *, tls: bool | None) -> None:
    """Refuse to send an API key unencrypted to another machine.

    Args:
        address: Temporal's frontend, host:port.
        api_key: The API key, if any.
        tls: None: TLS if there is an API key, as in the SDK.

    Raises:
        ClearTextKeyError: TLS is switched off, and the frontend is not on this machine.
    """
    if api_key and tls is False and not _is_this_machine(address.rpartition(":")[0]):
        raise ClearTextKeyError(
            f"the API key would be sent unencrypted to {address}: leave tls unset, or set it to true"
        )


async def connect(
    address: str, namespace: str, *, api_key: str | None, tls: bool | None, **more: Any
) -> "Client":
    """Return a client.

    Args:
        address: Temporal's frontend, host:port.
        namespace: Its namespace.
        api_key: The API key, if any.
        tls: None: TLS if there is an API key.
        more: Further arguments of `temporalio.client.Client.connect`.

    Raises:
        ClearTextKeyError: See `check_api_key`.
        RuntimeError: Temporal cannot be reached, and ``lazy`` is not set.
    """
    from temporalio.client import Client  # noqa: PLC0415 - slow to import; settings need only the check

    check_api_key(address, api_key, tls=tls)
    return await Client.connect(
        address, namespace=namespace, api_key=api_key or None, tls=tls, **more
    )


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
