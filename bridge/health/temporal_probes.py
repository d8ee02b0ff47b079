"""What Temporal says. Nothing here waits for long, and nothing raises."""

import asyncio
from collections.abc import Mapping, Sequence

from bridge.health.snapshot import Problem, QueueState
from bridge.operations.calls import CallError
from bridge.settings.schema import TemporalSettings
from bridge.temporal import Gateway

_PATIENCE_SECONDS = 3.0
_MAX_QUEUES = 50
_AT_A_TIME = 8


async def probe_namespace(gateway: Gateway, settings: TemporalSettings) -> Problem | None:
    """Have Temporal describe the namespace."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await gateway.check_namespace()
    except TimeoutError:
        return Problem(
            f"{settings.address}: no answer within {_PATIENCE_SECONDS:g} s",
            "look at Temporal and at what is between",
        )
    except CallError as error:
        return temporal_problem(settings, error)
    return None


def temporal_problem(settings: TemporalSettings, error: CallError) -> Problem:
    """Return what a refusal of Temporal means for an operator."""
    where = f"{settings.address}: {error}"
    if error.namespace_missing or error.status == "NOT_FOUND":
        return Problem(
            f"{settings.address} has no namespace {settings.namespace!r}: {error.message}",
            f"make it ('temporal operator namespace create -n {settings.namespace}', then "
            "'ntbridge migrate'), or correct temporal.namespace (TEMPORAL_NAMESPACE)",
        )
    if error.status in ("PERMISSION_DENIED", "UNAUTHENTICATED"):
        return Problem(where, "correct temporal.api_key (TEMPORAL_API_KEY)")
    return Problem(
        where,
        "start Temporal, or correct temporal.address (TEMPORAL_ADDRESS); the daemon "
        "connects by itself, and nothing is given up meanwhile",
    )


async def probe_attributes(
    gateway: Gateway, named: Mapping[str, str]
) -> tuple[Problem, ...] | None:
    """Return what is wrong with search attributes; None when Temporal does not say.

    Args:
        gateway: To Temporal.
        named: The search attributes that routes set, each with a route.
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
    gateway: Gateway, queues: Mapping[str, Sequence[str]]
) -> tuple[QueueState, ...]:
    """Return how many workers poll each task queue; the names of routes are by task queue.

    Only the first 50 task queues are asked for.
    """
    turn = asyncio.Semaphore(_AT_A_TIME)

    async def pollers(name: str) -> int | None:
        try:
            async with turn, asyncio.timeout(_PATIENCE_SECONDS):
                return await gateway.workflow_pollers(name)
        except (TimeoutError, CallError):
            return None

    names = sorted(queues)[:_MAX_QUEUES]
    found = await asyncio.gather(*(pollers(name) for name in names))
    return tuple(
        QueueState(name, tuple(queues[name]), number)
        for name, number in zip(names, found, strict=True)
    )
