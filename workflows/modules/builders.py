"""The builders of the modules: each creates the adapters that the settings name, and the activities.

The module ``pipelines`` has workflows only: their steps belong to the other modules.
"""

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from workflows.activities.qagent import QAgentActivities
from workflows.activities.qsecure import QSecureActivities
from workflows.activities.qtest import QTestActivities
from workflows.adapters.containment import Containment, Limits
from workflows.adapters.openai.client import OpenAIClient
from workflows.adapters.openai.gateway import OpenAIGateway
from workflows.adapters.openai.suites import OpenAISuites
from workflows.adapters.patterns.lexical import LexicalEmbeddings, NoPatterns
from workflows.adapters.patterns.modelled import OpenAIEmbeddings
from workflows.adapters.patterns.postgres import PostgresPatterns
from workflows.adapters.python_checker import PythonChecker
from workflows.adapters.qlafs.keys import KEY, load_or_make, load_private
from workflows.adapters.qlafs.registered import KeyRegistration
from workflows.adapters.qlafs.sha256 import Sha256Qlafs
from workflows.adapters.qlafs.signed import SignedQlafs
from workflows.adapters.recipes.folder import checked, of_folder
from workflows.adapters.recipes.gateway import RecipeGateway
from workflows.adapters.recipes.recipe import Recipe
from workflows.adapters.security.bandit import BanditScanner
from workflows.adapters.security.secrets import SecretsScanner
from workflows.adapters.security.severities import Scanners
from workflows.adapters.suites.generator import CheckedSuites
from workflows.adapters.suites.ghostwriter import GhostwriterSuites
from workflows.adapters.suites.judge import SuiteJudge
from workflows.adapters.suites.pytest_runner import PytestRunner
from workflows.adapters.suites.tester import SuiteTester
from workflows.errors import InvalidSettingError
from workflows.messages.code_generation import GenerationRules
from workflows.messages.suites import CoveragePolicy
from workflows.modules.chosen_adapters import dependencies_scanner
from workflows.modules.module import Module, Part, WorkerResources, adapter, worker_name
from workflows.pipelines.code_generation import CodeGenerationWorkflow
from workflows.pipelines.complete_code_pipeline import CompleteCodePipelineWorkflow
from workflows.pipelines.devsecops_pipeline import DevSecOpsPipelineWorkflow
from workflows.ports import (
    CodeChecker,
    CodeFixer,
    Embeddings,
    LLMGateway,
    Qlafs,
    Scanner,
    SuiteGenerator,
    SuiteRunner,
    VectorDatabase,
)
from workflows.settings import (
    QTestSettings,
)


def build_qagent(resources: WorkerResources) -> Module:
    """Return the code generation workflow and its activities."""
    settings = resources.settings.qagent
    checker = _checker(resources)
    suites = _own_suites(resources)
    qagent = QAgentActivities(
        gateway=_gateway(resources),
        checker=checker,
        qlafs=_qlafs(resources),
        patterns=_patterns(resources),
        fixer=checker if isinstance(checker, CodeFixer) else None,
        suites=suites,
        tester=SuiteTester(_suite_runner(resources, seconds=settings.test_seconds)),
        rules=GenerationRules(
            # A recipe would write the same again.
            rounds=1 if settings.gateway == "recipes" else settings.rounds,
            writes_tests=suites is not None,
            needs_fingerprint=settings.fingerprint == "required",
        ),
    )
    return Module(
        workflows=(CodeGenerationWorkflow,),
        activities=(
            qagent.parse_prompt,
            qagent.search_patterns,
            qagent.generate_code,
            qagent.check_code,
            qagent.write_tests,
            qagent.test_code,
            qagent.fingerprint,
            qagent.seal,
            qagent.learn_pattern,
            qagent.cleanup_code,
        ),
        parts=_registrations(resources),
    )


def _gateway(resources: WorkerResources) -> LLMGateway:
    builtin: dict[str, Callable[[], LLMGateway]] = {
        "recipes": lambda: RecipeGateway(_own_recipes(resources)),
        "openai": lambda: OpenAIGateway(resources.model),
    }
    return adapter("qagent.gateway", resources.settings.qagent.gateway, builtin, resources)


def _own_suites(resources: WorkerResources) -> SuiteGenerator | None:
    """Return what writes tests with the code, if a language model writes the code."""
    settings = resources.settings.qagent
    if settings.gateway != "openai" or not settings.tests:
        return None
    return OpenAISuites(resources.model)


def _own_recipes(resources: WorkerResources) -> tuple[Recipe, ...]:
    folder = resources.settings.qagent.recipes
    return checked(of_folder(folder)) if folder is not None else ()


def _checker(resources: WorkerResources) -> CodeChecker:
    builtin = {"python": PythonChecker}
    return adapter("qagent.checker", resources.settings.qagent.checker, builtin, resources)


def _patterns(resources: WorkerResources) -> VectorDatabase:
    builtin: dict[str, Callable[[], VectorDatabase]] = {
        "postgres": lambda: PostgresPatterns(
            resources.database,
            _embeddings(resources),
            min_similarity=resources.settings.qagent.min_similarity,
        ),
        "none": NoPatterns,
    }
    return adapter("qagent.patterns", resources.settings.qagent.patterns, builtin, resources)


def _embeddings(resources: WorkerResources) -> Embeddings:
    settings = resources.settings.openai
    builtin: dict[str, Callable[[], Embeddings]] = {
        "lexical": LexicalEmbeddings,
        "openai": lambda: OpenAIEmbeddings(OpenAIClient(settings), settings.embedding_model),
    }
    return adapter(
        "qagent.embeddings", resources.settings.qagent.embeddings, builtin, resources
    )


def _qlafs(resources: WorkerResources) -> Qlafs:
    builtin: dict[str, Callable[[], Qlafs]] = {
        "signed": lambda: _signed_qlafs(resources),
        "sha256": Sha256Qlafs,
    }
    return adapter("qagent.qlafs", resources.settings.qagent.qlafs, builtin, resources)


def _signed_qlafs(resources: WorkerResources) -> Qlafs:
    return SignedQlafs(resources.store, _signing_key(resources))


def _registrations(resources: WorkerResources) -> tuple[Part, ...]:
    """Return what registers the key with which this worker signs."""
    if resources.settings.qagent.qlafs != "signed":
        return ()
    return (KeyRegistration(resources.database, _signing_key(resources), worker_name()),)


def _signing_key(resources: WorkerResources) -> Ed25519PrivateKey:
    settings = resources.settings.qagent
    if settings.key is None:
        return load_or_make(resources.settings.state / KEY)
    try:
        return load_private(settings.key)
    except FileNotFoundError as error:
        raise InvalidSettingError(f"qagent.key: file {settings.key} does not exist") from error


def build_qtest(resources: WorkerResources) -> Module:
    """Return the testing activities."""
    settings = resources.settings.qtest
    containment = _suite_containment(settings, settings.seconds)
    generators: dict[str, Callable[[], SuiteGenerator]] = {
        "ghostwriter": lambda: GhostwriterSuites(containment),
        "openai": lambda: OpenAISuites(resources.model),
    }
    qtest = QTestActivities(
        generator=CheckedSuites(
            adapter("qtest.generator", settings.generator, generators, resources),
            coverage=CoveragePolicy(settings.coverage),
        ),
        runner=_suite_runner(resources, seconds=settings.seconds),
    )
    return Module(
        workflows=(),
        activities=(qtest.generate_tests, qtest.execute_tests, qtest.cleanup_tests),
    )


def _suite_runner(resources: WorkerResources, *, seconds: float) -> SuiteRunner:
    settings = resources.settings.qtest
    runners: dict[str, Callable[[], SuiteRunner]] = {
        "pytest": lambda: PytestRunner(
            _suite_containment(settings, seconds), at_once=settings.at_once
        )
    }
    runner = adapter("qtest.runner", settings.runner, runners, resources)
    return SuiteJudge(runner, coverage=CoveragePolicy(settings.coverage))


def _suite_containment(settings: QTestSettings, seconds: float) -> Containment:
    seconds = min(seconds, settings.seconds)
    return Containment(
        limits=Limits(
            seconds=seconds,
            cpu=int(seconds) + 1,
            memory=settings.memory,
            disk=settings.disk,
            processes=settings.processes,
        ),
        required=settings.containment == "required",
        folder=settings.folder,
    )


def build_qsecure(resources: WorkerResources) -> Module:
    """Return the scanning activity."""
    settings = resources.settings.qsecure
    builtin: dict[str, Callable[[], Scanner]] = {
        "bandit": lambda: BanditScanner(seconds=settings.seconds),
        "secrets": SecretsScanner,
        "dependencies": lambda: dependencies_scanner(settings),
    }
    scanners = [
        adapter("qsecure.scanners", name, builtin, resources) for name in settings.scanners
    ]
    qsecure = QSecureActivities(scanner=Scanners(scanners))
    return Module(workflows=(), activities=(qsecure.scan,))


def build_pipelines(_resources: WorkerResources) -> Module:
    """Return the workflows; they have no activities."""
    return Module(
        workflows=(DevSecOpsPipelineWorkflow, CompleteCodePipelineWorkflow), activities=()
    )
