"""Shows that each test of a contract notices the fault that it is there for."""

import asyncio
import inspect
from collections.abc import Mapping
from typing import Any

import pytest

from workflows.errors import PipelineError


def contract_tests(contract: type) -> set[str]:
    """The names of the tests of a contract."""
    return {name for name in dir(contract) if name.startswith("test_")}


async def fails(contract: object, test: str, fixtures: Mapping[str, Any]) -> None:
    """Run a test of a contract with a wrong adapter, and see it fail."""
    method = getattr(contract, test)
    needed = inspect.signature(method).parameters
    with pytest.raises((AssertionError, PipelineError, pytest.fail.Exception)):
        async with asyncio.timeout(30):
            await method(**{name: fixtures[name] for name in needed})
