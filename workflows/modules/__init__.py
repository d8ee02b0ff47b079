"""What a worker can be asked to do: the place where activities meet their adapters.

A module is a set of workflows and activities that share a task queue (``workflows.platform.queues``) and
are scaled together; each has a builder of its own in this package. Emitting is no activity of
theirs: the bridge does that.
"""

from collections.abc import Sequence

from workflows.config import WorkerSettings
from workflows.errors import InvalidSettingError
from workflows.modules import pipelines, qagent, qinfra, qsecure, qsre, qtest
from workflows.modules.module import Builder, Means, Module
from workflows.platform.queues import module_of, queue_of

MODULES: dict[str, Builder] = {
    "qagent": qagent.build,
    "qtest": qtest.build,
    "qsecure": qsecure.build,
    "qinfra": qinfra.build,
    "qsre": qsre.build,
    "pipelines": pipelines.build,
}


def queues_of(settings: WorkerSettings) -> dict[str, tuple[str, ...]]:
    """Return which modules poll which queue: their own each, or all the one that is given.

    Raises:
        InvalidSettingError: When there is no such module, or when the one queue is named as if
            it were a module's own: its workflows would look for the others' queues beside it.
    """
    names = tuple(dict.fromkeys(settings.modules or MODULES))
    unknown = sorted(set(names) - set(MODULES))
    if unknown:
        raise InvalidSettingError(
            f"--modules: there is no module {', '.join(unknown)}, only {', '.join(MODULES)}"
        )
    queue = settings.task_queue
    if queue is None:
        return {queue_of(name, settings.queue_prefix): (name,) for name in names}
    if settings.queue_prefix is not None:
        raise InvalidSettingError("--task-queue and --queue-prefix exclude each other")
    own = module_of(queue)
    if own is not None and names != (own,):
        raise InvalidSettingError(
            f"--task-queue: {queue} is the name of {own}'s own queue, and workflows there look "
            "for the other modules on queues of their own; take another name, or --queue-prefix"
        )
    return {queue: names}


def build(names: Sequence[str], means: Means) -> Module:
    """Return the modules of one queue as one."""
    parts = [MODULES[name](means) for name in names]
    return Module(
        workflows=tuple(workflow for part in parts for workflow in part.workflows),
        activities=tuple(activity for part in parts for activity in part.activities),
    )
