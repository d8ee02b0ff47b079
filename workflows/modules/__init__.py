"""The modules of a worker, where activities meet their adapters.

A module is a set of workflows and activities that share a task queue
(``workflows.platform.queues``) and scale together. Each has a builder in ``builders``;
``module`` has what builders use. The bridge serves the emit activity, so no module has it.
"""

from collections.abc import Sequence

from workflows.config import WorkerSettings
from workflows.errors import InvalidSettingError
from workflows.modules.builders import (
    build_pipelines,
    build_qagent,
    build_qsecure,
    build_qtest,
)
from workflows.modules.infra import build_qinfra, build_qsre
from workflows.modules.module import Builder, Module, WorkerResources
from workflows.platform.queues import module_of, queue_of

MODULES: dict[str, Builder] = {
    "qagent": build_qagent,
    "qtest": build_qtest,
    "qsecure": build_qsecure,
    "qinfra": build_qinfra,
    "qsre": build_qsre,
    "pipelines": build_pipelines,
}


def queues_of(settings: WorkerSettings) -> dict[str, tuple[str, ...]]:
    """Return the modules by the task queue that they poll: a queue each, or one for all.

    Raises:
        InvalidSettingError: A module does not exist, or the one queue has the name of a module's
            own queue: workflows on it would schedule steps on the other modules' queues.
    """
    names = tuple(dict.fromkeys(settings.modules or MODULES))
    unknown = sorted(set(names) - set(MODULES))
    if unknown:
        raise InvalidSettingError(
            f"--modules: unknown module {', '.join(unknown)}; known modules: {', '.join(MODULES)}"
        )
    queue = settings.task_queue
    if queue is None:
        return {queue_of(name, settings.queue_prefix): (name,) for name in names}
    if settings.queue_prefix is not None:
        raise InvalidSettingError("--task-queue and --queue-prefix cannot be used together")
    own = module_of(queue)
    if own is not None and names != (own,):
        raise InvalidSettingError(
            f"--task-queue: {queue} is the queue of module {own} alone, and workflows on it "
            "schedule steps on the queues of the other modules; use another name or --queue-prefix"
        )
    return {queue: names}


def build(names: Sequence[str], resources: WorkerResources) -> Module:
    """Return the workflows, activities and parts of all modules of one queue."""
    modules = [MODULES[name](resources) for name in names]
    return Module(
        workflows=tuple(workflow for module in modules for workflow in module.workflows),
        activities=tuple(activity for module in modules for activity in module.activities),
        parts=tuple(part for module in modules for part in module.parts),
    )
