"""Source streams of every retention under every fault: nothing is lost, and the order is the stream's."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bridge.devstack.addresses import Addresses
from bridge.devstack.child import Child
from tests.support.daemon import running
from tests.support.own_nats import oldest_binary
from tests.support.retention_faults import FAULTS, frozen, nats_restart, run, takeover
from tests.support.retentions import COUNT, Cell, cell_of
from tests.support.waiting import eventually

RETENTIONS = ("limits", "interest", "workqueue")


@pytest.mark.torture
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda each: each.__name__)
@pytest.mark.parametrize("retention", RETENTIONS)
async def test_nothing_is_lost_and_the_order_is_kept(
    stack: Addresses,
    migrated_database_url: str,
    prefix: str,
    tmp_path: Path,
    retention: str,
    fault: Callable[[Cell, list[Child]], Awaitable[None]],
) -> None:
    async with cell_of(stack, migrated_database_url, prefix, tmp_path, retention) as cell:
        await run(cell, fault)


@pytest.mark.torture
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("fault", [takeover, nats_restart], ids=lambda each: each.__name__)
@pytest.mark.parametrize("retention", RETENTIONS)
async def test_a_history_is_read_once_and_in_order_too(
    stack: Addresses,
    migrated_database_url: str,
    prefix: str,
    tmp_path: Path,
    retention: str,
    fault: Callable[[Cell, list[Child]], Awaitable[None]],
) -> None:
    history = COUNT // 2
    async with cell_of(
        stack, migrated_database_url, prefix, tmp_path, retention, history=history
    ) as cell:
        await run(cell, fault)


@pytest.mark.slow
@pytest.mark.timeout(2700)
async def test_a_leader_that_is_frozen_with_a_pull_open_and_thaws(
    stack: Addresses, migrated_database_url: str, prefix: str, tmp_path: Path
) -> None:
    async with cell_of(stack, migrated_database_url, prefix, tmp_path, "workqueue") as cell:
        await run(cell, frozen)


@pytest.mark.torture
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda each: each.__name__)
async def test_the_oldest_server_keeps_a_limits_stream_in_order(
    stack: Addresses,
    migrated_database_url: str,
    prefix: str,
    tmp_path: Path,
    pytestconfig: pytest.Config,
    fault: Callable[[Cell, list[Child]], Awaitable[None]],
) -> None:
    assert pytestconfig.cache is not None
    oldest = oldest_binary(pytestconfig.cache)
    async with cell_of(
        stack, migrated_database_url, prefix, tmp_path, "limits", oldest
    ) as cell:
        await run(cell, fault)


@pytest.mark.torture
@pytest.mark.parametrize("retention", ["interest", "workqueue"])
async def test_the_oldest_server_is_refused_by_name_for_other_retentions(
    stack: Addresses,
    migrated_database_url: str,
    prefix: str,
    tmp_path: Path,
    pytestconfig: pytest.Config,
    retention: str,
) -> None:
    assert pytestconfig.cache is not None
    oldest = oldest_binary(pytestconfig.cache)
    async with cell_of(
        stack, migrated_database_url, prefix, tmp_path, retention, oldest
    ) as cell:
        daemon = cell.bridge.daemon()
        async with running(daemon):

            def refused() -> bool:
                said = daemon.output()
                return (
                    "nats-server 2.12.0 cannot reset a consumer" in said and retention in said
                )

            await eventually(refused, within=120)
