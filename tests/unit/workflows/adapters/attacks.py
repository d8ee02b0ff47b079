"""Runs a hostile program in a cage."""

import sys

from tests.unit.workflows.adapters.suites.builders import LIMITS
from workflows.adapters.containment import Caged, Containment, Limits


async def attack(cages: Containment, code: str, limits: Limits = LIMITS) -> Caged:
    cages.limits = limits
    return await cages.run(
        [sys.executable, "{work}/attack.py"], files={"attack.py": code}, key="an/attack"
    )
