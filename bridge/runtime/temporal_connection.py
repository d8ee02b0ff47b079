"""How the daemon and the workers connect to Temporal: the same settings, the same way."""

import ipaddress
from typing import TYPE_CHECKING, Any

from bridge.runtime.errors import ClearTextKeyError

if TYPE_CHECKING:
    from temporalio.client import Client


def check_api_key(address: str, api_key: str | None, *, tls: bool | None) -> None:
    """Refuse an API key that would be sent in clear to another machine.

    Args:
        address: Temporal's frontend, host:port.
        api_key: The key, if there is one.
        tls: None: encrypted exactly if there is a key, as the SDK has it.

    Raises:
        ClearTextKeyError: TLS is switched off, and the frontend is not on this machine.
    """
    if api_key and tls is False and not _is_this_machine(address.rpartition(":")[0]):
        raise ClearTextKeyError(
            f"the API key would be sent in clear to {address}: leave tls unset, or set it to true"
        )


async def connect(
    address: str, namespace: str, *, api_key: str | None, tls: bool | None, **more: Any
) -> "Client":
    """Return a client.

    Args:
        address: Temporal's frontend, host:port.
        namespace: Its namespace.
        api_key: A key to sign in with.
        tls: None: encrypted exactly if there is a key.
        more: As `temporalio.client.Client.connect` takes it.

    Raises:
        ClearTextKeyError: See `check_api_key`.
        RuntimeError: It cannot be reached, unless ``lazy`` is given.
    """
    from temporalio.client import Client  # noqa: PLC0415 - most of a second; settings need the check

    check_api_key(address, api_key, tls=tls)
    return await Client.connect(
        address, namespace=namespace, api_key=api_key or None, tls=tls, **more
    )


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
