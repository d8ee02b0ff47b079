"""Probes of Temporal. Each has a time limit and returns a problem, never raises."""

import asyncio
from collections.abc import Mapping, Sequence

from bridge.health.snapshot import Problem, QueueState
from bridge.operations.calls import CallError
from bridge.operations.start_activity import StartActivity
from bridge.routes.model import Route
from bridge.runtime.findings import Finding
from bridge.runtime.strict import DEFAULT_NAMESPACE
from bridge.settings.schema import TemporalSettings
from bridge.temporal import Gateway

_PATIENCE_SECONDS = 3.0
_MAX_QUEUES = 50
_CONCURRENT = 8
_PERHAPS_TLS = frozenset({"UNAVAILABLE", "CANCELLED", "UNKNOWN"})
"""What the SDK reports when the server refuses the client certificate."""


async def probe_namespace(
    gateway: Gateway, settings: TemporalSettings, name: str = DEFAULT_NAMESPACE
) -> Problem | None:
    """Describe the namespace; return why it cannot be used, None if it can.

    Args:
        gateway: The gateway to the namespace.
        settings: Its connection.
        name: The namespace, as plans call it.
    """
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await gateway.check_namespace()
    except TimeoutError:
        return Problem(
            f"{settings.address}: no answer within {_PATIENCE_SECONDS:g} s",
            "check Temporal and the network in between",
        )
    except CallError as error:
        if error.status in _PERHAPS_TLS and (problem := await gateway.tls_problem()):
            return Problem(f"{settings.address}: {problem}", "see docs/connections.md")
        return temporal_problem(settings, error, name)
    return None


async def probe_activities(gateway: Gateway, routes: Sequence[Route]) -> Sequence[Finding]:
    """Return whether the server has the activities that routes start; nothing if none does."""
    names = [route.name for route in routes if route.operation.name == StartActivity.name]
    if not names:
        return ()
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            has_them = await gateway.check_namespace()
    except (TimeoutError, CallError):
        return ()  # the check of Temporal has the reason
    if has_them:
        return (Finding("activities", "ok", "the server has activities without a workflow"),)
    return (
        Finding(
            "activities",
            "failed",
            f"the server has no activities without a workflow, which {', '.join(names)} start",
            "upgrade Temporal (1.31 or later, standalone activities enabled), or start a workflow",
        ),
    )


def temporal_problem(
    settings: TemporalSettings, error: CallError, name: str = DEFAULT_NAMESPACE
) -> Problem:
    """Return the problem behind a failed call to Temporal, and its remedy."""

    def setting(key: str) -> str:
        if name:
            return f"temporal.namespaces.{name}.{key}"
        return f"temporal.{key} (TEMPORAL_{key.upper()})"

    where = f"{settings.address}: {error}"
    if error.namespace_missing or error.status == "NOT_FOUND":
        return Problem(
            f"{settings.address} has no namespace {settings.namespace!r}: {error.message}",
            f"create it ('temporal operator namespace create -n {settings.namespace}', then "
            f"'ntbridge migrate'), or correct {setting('namespace')}",
        )
    if error.status in ("PERMISSION_DENIED", "UNAUTHENTICATED"):
        return Problem(where, f"correct {setting('api_key')}")
    return Problem(
        where,
        f"start Temporal, or correct {setting('address')}; the daemon "
        "reconnects, and nothing is lost until then",
    )


async def probe_attributes(
    gateway: Gateway, named: Mapping[str, str]
) -> tuple[Problem, ...] | None:
    """Return the problems of the search attributes; None if Temporal does not answer.

    Args:
        gateway: The gateway to Temporal.
        named: The search attributes that routes set, each with one of the routes.
    """
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            found = await gateway.search_attributes()
    except (TimeoutError, CallError):
        return None
    missing = ", ".join(found.missing)
    if found.mistyped:
        what = f"wrong type: {found.faults}" + (
            f"; not registered: {missing}" if missing else ""
        )
        return (Problem(what, found.to_do),)
    if missing:
        return (Problem(f"not registered: {missing}", "run 'ntbridge migrate'"),)
    unknown = {name: route for name, route in named.items() if name not in found.others}
    if not unknown:
        return ()
    what = ", ".join(f"{name} (route {route})" for name, route in unknown.items())
    to_do = "; ".join(
        f"temporal operator search-attribute create --name {name} --type ..."
        for name in unknown
    )
    return (Problem(f"not registered: {what}", f"'{to_do}'"),)


async def probe_queues(
    gateway: Gateway,
    queues: Mapping[str, Sequence[str]],
    namespace: str = DEFAULT_NAMESPACE,
) -> tuple[QueueState, ...]:
    """Return how many workers poll each task queue; at most 50 task queues are described.

    Args:
        gateway: The gateway to the namespace.
        queues: The routes by task queue.
        namespace: The namespace, as plans call it.
    """
    turn = asyncio.Semaphore(_CONCURRENT)

    async def pollers(name: str) -> int | None:
        try:
            async with turn, asyncio.timeout(_PATIENCE_SECONDS):
                return await gateway.workflow_pollers(name)
        except (TimeoutError, CallError):
            return None

    names = sorted(queues)[:_MAX_QUEUES]
    found = await asyncio.gather(*(pollers(name) for name in names))
    return tuple(
        QueueState(name, tuple(queues[name]), number, namespace)
        for name, number in zip(names, found, strict=True)
    )
