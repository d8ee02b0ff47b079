"""The gateway to Temporal: raw service requests, so that the bridge chooses the request ids.

The SDK's client draws a random request id for every start and signal, so a repeated call would be
a new request. Modules: `client` makes the calls, `observer` reads runs, `requests` builds
the request messages, `payloads` encodes and decodes them, `tracing` makes their header, `answers` and `errors` read the responses, `histories`
searches a run's history, `endings` reads how a run ended, `ancestry` which event started it, `listing`
reads the runs of a list, `references` finds references to large payloads in a history, `search_attributes` compares the registered ones with the needed ones, `renewal`
replaces the client when a certificate changes, `namespaces` makes a gateway to each namespace.
"""

from bridge.temporal.client import Gateway, connect, connect_worker
from bridge.temporal.namespaces import connect_each
from bridge.temporal.search_attributes import SEARCH_ATTRIBUTES

__all__ = ["SEARCH_ATTRIBUTES", "Gateway", "connect", "connect_each", "connect_worker"]
