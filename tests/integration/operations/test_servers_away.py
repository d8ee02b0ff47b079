"""Servers that are away, answer nothing, or have reached a limit: what class of failure that is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.devstack.addresses import Addresses
from bridge.operations.calls import (
    CallError,
)
from bridge.operations.outcomes import after_failure, classify
from bridge.settings.schema import TemporalSettings
from bridge.temporal import Gateway, connect
from tests.integration.operations.calls import failure, signal_call, start_call, update_call
from tests.support.outages import own_temporal
from tests.support.proxy import Proxy


@pytest.mark.parametrize("connected", [True, False], ids=["lost", "never reached"])
async def test_a_server_that_is_down_is_waited_for(
    stack: Addresses, *, connected: bool
) -> None:
    async with Proxy.to(stack.temporal_address) as proxy:
        gateway = await connect(
            TemporalSettings(address=proxy.through(stack.temporal_address), call_timeout=2)
        )
        if connected:
            await gateway.server_version()
        await proxy.refuse()
        if connected:
            # The call that finds the connection broken says so in a way of its own.
            assert classify(await failure(gateway.start(start_call()))) == "transient"
        error = await failure(gateway.start(start_call()))
        assert (error.status, classify(error)) == ("UNAVAILABLE", "transient")
        assert after_failure(error, 1).unreachable
        await proxy.accept()
        await gateway.start(start_call())


@pytest.mark.slow
@pytest.mark.parametrize("connected", [True, False], ids=["lost", "never reached"])
async def test_a_black_hole_is_waited_for_no_longer_than_a_call_may_take(
    stack: Addresses, *, connected: bool
) -> None:
    async with Proxy.to(stack.temporal_address) as proxy:
        gateway = await connect(
            TemporalSettings(address=proxy.through(stack.temporal_address), call_timeout=2)
        )
        if connected:
            await gateway.server_version()
        proxy.stall()
        call = start_call()
        error = await failure(gateway.start(call))
        assert classify(error) == "transient"
        proxy.resume()
        # The first request may have arrived after all: the same request id is the same run.
        patient = await connect(TemporalSettings(address=stack.temporal_address))
        await patient.start(call)


@asynccontextmanager
async def _limited(folder: Path, *settings: str) -> AsyncIterator[Gateway]:
    """A server of the test's own, with limits that can be reached."""
    async with own_temporal(folder, *settings) as server:
        yield await connect(TemporalSettings(address=server.address, call_timeout=3))


@pytest.mark.slow
async def test_limits_that_the_server_names(tmp_path: Path) -> None:
    async with _limited(
        tmp_path,
        "history.maximumSignalsPerExecution=2",
        "history.maxInFlightUpdates=1",
    ) as gateway:
        call = start_call()
        await gateway.start(call)
        for _ in range(2):
            await gateway.signal(signal_call(call.workflow_id))
        error = await failure(gateway.signal(signal_call(call.workflow_id)))
        assert (error.status, classify(error)) == ("INVALID_ARGUMENT", "permanent")

        # Nobody serves the task queue: the first update stays in flight.
        answer = await gateway.update(update_call(call.workflow_id))
        assert answer.stage == "admitted"
        error = await failure(gateway.update(update_call(call.workflow_id)))
        assert (error.limit, classify(error)) == ("CONCURRENT_LIMIT", "rate-limited")
        # One workflow's trouble slows nobody else.
        assert not after_failure(error, 1).limited


@pytest.mark.slow
async def test_a_rate_limit_slows_and_kills_nothing(tmp_path: Path) -> None:
    async with _limited(tmp_path, "frontend.namespaceRPS=5") as gateway:
        error = await _until_refused(gateway)
        assert (error.status, error.limit) == ("RESOURCE_EXHAUSTED", "RPS_LIMIT")
        outcome = after_failure(error, 1)
        assert (outcome.state, outcome.code, outcome.limited) == ("open", "rate-limited", True)


async def _until_refused(gateway: Gateway) -> CallError:
    while True:
        try:
            await gateway.start(start_call())
        except CallError as error:
            return error
