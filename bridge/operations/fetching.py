"""The mark of a planned call whose event's data are fetched before the call. Pure.

The data of an event may be elsewhere, at the address in its extension ``dataref``
(`bridge.dispatch.dataref`). Every kind of call can have the mark, so it is beside what the operation plans.
"""

import msgspec

EXTENSION = "dataref"
_NAME = b'"fetch_data"'


class _Call(msgspec.Struct):
    fetch_data: bool = False


def fetching(call: bytes) -> bytes:
    """Return a planned call with the mark."""
    members = call.removesuffix(b"}")
    return members + (b"" if members == b"{" else b",") + _NAME + b":true}"


def fetches(call: bytes) -> bool:
    """Return whether a planned call has the mark."""
    # Most calls do not even have the name; where they do, it may be content of an event.
    return _NAME in call and msgspec.json.decode(call, type=_Call).fetch_data
