"""The gateway to Temporal: raw service requests, so that the request ids are ours.

The SDK's client draws a random request id for every start and signal, which would make a
repeated call a new one. `requests` renders our calls as Temporal's messages, `answers`
and `errors` read what it says to them, `histories` looks into a closed run, `ancestry` to where
a run comes from, `search_attributes` compares what is registered with what is needed, `client` makes the calls.
"""

from bridge.temporal.client import Gateway, connect, connect_worker
from bridge.temporal.search_attributes import SEARCH_ATTRIBUTES

__all__ = ["SEARCH_ATTRIBUTES", "Gateway", "connect", "connect_worker"]
