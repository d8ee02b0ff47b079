"""What a worker can be asked to do: the place where activities meet their adapters.

A module is a set of workflows and activities that share a task queue and are scaled together.
Its own name is its queue's default. The emit activity belongs to all of them, since a workflow
emits on its own queue.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from eventstore.store import EventStore
from workflows.activities.qagent import QAgentActivities
from workflows.activities.result_events import ResultEventActivities
from workflows.adapters.python_checker import PythonChecker
from workflows.adapters.recipes.gateway import RecipeGateway
from workflows.adapters.sha256_qlafs import Sha256Qlafs
from workflows.code_generation import CodeGenerationWorkflow
from workflows.errors import InvalidSettingError

ActivityMethod = Callable[..., Any]


@dataclass(frozen=True)
class Module:
    """Workflows and activities that one worker serves together."""

    workflows: tuple[type, ...]
    activities: tuple[ActivityMethod, ...]


def _qagent() -> Module:
    qagent = QAgentActivities(
        gateway=RecipeGateway(), checker=PythonChecker(), qlafs=Sha256Qlafs()
    )
    return Module(
        workflows=(CodeGenerationWorkflow,),
        activities=(
            qagent.parse_prompt,
            qagent.generate_code,
            qagent.check_code,
            qagent.fingerprint,
        ),
    )


MODULES: dict[str, Callable[[], Module]] = {"qagent": _qagent}


def queues_of(names: Sequence[str], task_queue: str | None) -> dict[str, tuple[str, ...]]:
    """Return which modules poll which queue: their own each, or all the one that is given.

    Raises:
        InvalidSettingError: When there is no such module.
    """
    unknown = sorted(set(names) - set(MODULES))
    if unknown:
        raise InvalidSettingError(
            f"--modules: there is no module {', '.join(unknown)}, only {', '.join(MODULES)}"
        )
    if task_queue is not None:
        return {task_queue: tuple(dict.fromkeys(names))}
    return {name: (name,) for name in names}


def build(names: Sequence[str], store: EventStore) -> Module:
    """Return the modules of one queue as one, with the emit activity."""
    parts = [MODULES[name]() for name in names]
    return Module(
        workflows=tuple(workflow for part in parts for workflow in part.workflows),
        activities=(
            *(activity for part in parts for activity in part.activities),
            ResultEventActivities(store).emit,
        ),
    )
