"""The module QAgent: adapters for its ports, as the settings say."""

from workflows.activities.qagent import QAgentActivities
from workflows.adapters.openai.client import OpenAIClient
from workflows.adapters.openai.gateway import OpenAIGateway
from workflows.adapters.patterns.lexical import LexicalEmbeddings
from workflows.adapters.patterns.modelled import OpenAIEmbeddings
from workflows.adapters.patterns.none import NoPatterns
from workflows.adapters.patterns.postgres import PostgresPatterns
from workflows.adapters.python_checker import PythonChecker
from workflows.adapters.recipes.gateway import RecipeGateway
from workflows.adapters.sha256_qlafs import Sha256Qlafs
from workflows.code_generation import CodeGenerationWorkflow
from workflows.modules.module import Means, Module
from workflows.ports.llm_gateway import LLMGateway
from workflows.ports.patterns import Embeddings, VectorDatabase


def build(means: Means) -> Module:
    """Return the code generation workflow and its activities."""
    qagent = QAgentActivities(
        gateway=_gateway(means),
        checker=PythonChecker(),
        qlafs=Sha256Qlafs(),
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
            qagent.learn_pattern,
            qagent.cleanup_code,
        ),
    )


def _gateway(means: Means) -> LLMGateway:
    if means.settings.qagent.gateway == "recipes":
        return RecipeGateway()
    return OpenAIGateway(OpenAIClient(means.settings.openai))


def _patterns(means: Means) -> VectorDatabase:
    if means.settings.qagent.patterns == "none":
        return NoPatterns()
    return PostgresPatterns(means.database, _embeddings(means))


def _embeddings(means: Means) -> Embeddings:
    if means.settings.qagent.embeddings == "lexical":
        return LexicalEmbeddings()
    settings = means.settings.openai
    return OpenAIEmbeddings(OpenAIClient(settings), settings.embedding_model)
