"""The module QAgent: adapters for its ports, as the settings say."""

from collections.abc import Callable

from workflows.activities.qagent import QAgentActivities
from workflows.adapters.openai.client import OpenAIClient
from workflows.adapters.openai.gateway import OpenAIGateway
from workflows.adapters.patterns.lexical import LexicalEmbeddings, NoPatterns
from workflows.adapters.patterns.modelled import OpenAIEmbeddings
from workflows.adapters.patterns.postgres import PostgresPatterns
from workflows.adapters.python_checker import PythonChecker
from workflows.adapters.qlafs.keys import KEY, load_or_make, load_private
from workflows.adapters.qlafs.sha256 import Sha256Qlafs
from workflows.adapters.qlafs.signed import SignedQlafs
from workflows.adapters.recipes.gateway import RecipeGateway
from workflows.errors import InvalidSettingError
from workflows.modules.module import Means, Module, adapter
from workflows.pipelines.code_generation import CodeGenerationWorkflow
from workflows.ports import CodeChecker, Embeddings, LLMGateway, Qlafs, VectorDatabase


def build(means: Means) -> Module:
    """Return the code generation workflow and its activities."""
    qagent = QAgentActivities(
        gateway=_gateway(means),
        checker=_checker(means),
        qlafs=_qlafs(means),
        patterns=_patterns(means),
    )
    return Module(
        workflows=(CodeGenerationWorkflow,),
        activities=(
            qagent.parse_prompt,
            qagent.search_patterns,
            qagent.generate_code,
            qagent.check_code,
            qagent.fingerprint,
            qagent.seal,
            qagent.learn_pattern,
            qagent.cleanup_code,
        ),
    )


def _gateway(means: Means) -> LLMGateway:
    ours: dict[str, Callable[[], LLMGateway]] = {
        "recipes": RecipeGateway,
        "openai": lambda: OpenAIGateway(OpenAIClient(means.settings.openai)),
    }
    return adapter("qagent.gateway", means.settings.qagent.gateway, ours, means)


def _checker(means: Means) -> CodeChecker:
    ours = {"python": PythonChecker}
    return adapter("qagent.checker", means.settings.qagent.checker, ours, means)


def _patterns(means: Means) -> VectorDatabase:
    ours: dict[str, Callable[[], VectorDatabase]] = {
        "postgres": lambda: PostgresPatterns(means.database, _embeddings(means)),
        "none": NoPatterns,
    }
    return adapter("qagent.patterns", means.settings.qagent.patterns, ours, means)


def _embeddings(means: Means) -> Embeddings:
    settings = means.settings.openai
    ours: dict[str, Callable[[], Embeddings]] = {
        "lexical": LexicalEmbeddings,
        "openai": lambda: OpenAIEmbeddings(OpenAIClient(settings), settings.embedding_model),
    }
    return adapter("qagent.embeddings", means.settings.qagent.embeddings, ours, means)


def _qlafs(means: Means) -> Qlafs:
    ours: dict[str, Callable[[], Qlafs]] = {
        "signed": lambda: _signed(means),
        "sha256": Sha256Qlafs,
    }
    return adapter("qagent.qlafs", means.settings.qagent.qlafs, ours, means)


def _signed(means: Means) -> Qlafs:
    settings = means.settings.qagent
    if settings.key is None:
        return SignedQlafs(means.store, load_or_make(means.settings.state / KEY))
    try:
        return SignedQlafs(means.store, load_private(settings.key))
    except FileNotFoundError as error:
        raise InvalidSettingError(f"qagent.key: there is no file {settings.key}") from error
