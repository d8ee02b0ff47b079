"""The module QTest: adapters for its ports, as the settings say."""

from collections.abc import Callable

from workflows.activities.qtest import QTestActivities
from workflows.adapters.containment import Containment, Limits
from workflows.adapters.openai.client import OpenAIClient
from workflows.adapters.openai.suites import OpenAISuites
from workflows.adapters.suites.ghostwriter import GhostwriterSuites
from workflows.adapters.suites.pytest_runner import PytestRunner
from workflows.modules.module import Means, Module, adapter
from workflows.ports import SuiteGenerator, SuiteRunner
from workflows.settings import QTestSettings


def build(means: Means) -> Module:
    """Return the testing activities."""
    settings = means.settings.qtest
    containment = _containment(settings)
    generators: dict[str, Callable[[], SuiteGenerator]] = {
        "ghostwriter": lambda: GhostwriterSuites(containment),
        "openai": lambda: OpenAISuites(OpenAIClient(means.settings.openai)),
    }
    runners: dict[str, Callable[[], SuiteRunner]] = {
        "pytest": lambda: PytestRunner(containment, at_once=settings.at_once)
    }
    qtest = QTestActivities(
        generator=adapter("qtest.generator", settings.generator, generators, means),
        runner=adapter("qtest.runner", settings.runner, runners, means),
    )
    return Module(
        workflows=(),
        activities=(qtest.generate_tests, qtest.execute_tests, qtest.cleanup_tests),
    )


def _containment(settings: QTestSettings) -> Containment:
    return Containment(
        limits=Limits(
            seconds=settings.seconds,
            cpu=int(settings.seconds) + 1,
            memory=settings.memory,
            disk=settings.disk,
            processes=settings.processes,
        ),
        required=settings.containment == "required",
        folder=settings.folder,
    )
