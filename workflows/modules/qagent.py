"""The module QAgent: adapters for its ports, as the settings say."""

from workflows.activities.qagent import QAgentActivities
from workflows.adapters.no_patterns import NoPatterns
from workflows.adapters.python_checker import PythonChecker
from workflows.adapters.recipes.gateway import RecipeGateway
from workflows.adapters.sha256_qlafs import Sha256Qlafs
from workflows.code_generation import CodeGenerationWorkflow
from workflows.modules.module import Means, Module


def build(_means: Means) -> Module:
    """Return the code generation workflow and its activities."""
    qagent = QAgentActivities(
        gateway=RecipeGateway(),
        checker=PythonChecker(),
        qlafs=Sha256Qlafs(),
        patterns=NoPatterns(),
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
