"""The task queue of each module's activities.

Each module has its own queue, so its workers scale separately. The queue of the *workflow*
determines the queue of a step, because the history records it. Settings may differ between
workers, and a replay must not depend on them.

=======================  ================================  ====================================
the workflow's queue     a step of module ``qtest`` is on  the workers
=======================  ================================  ====================================
``qagent``               ``qtest``                         ``ntbridge-worker``
``staging-qagent``       ``staging-qtest``                 ``ntbridge-worker --queue-prefix staging``
anything else: ``all``   ``all``                           ``ntbridge-worker --task-queue all``
=======================  ================================  ====================================
"""

MODULES = ("qagent", "qtest", "qsecure", "qinfra", "qsre", "pipelines")
"""The names of the modules. ``pipelines`` has the workflows that use several of the others."""


def queue_of(module: str, prefix: str | None = None) -> str:
    """Return the name of a module's own queue."""
    return f"{prefix}-{module}" if prefix else module


def module_of(queue: str) -> str | None:
    """Return the module that has this queue, with or without a prefix; None if there is none."""
    for module in MODULES:
        if queue == module or queue.endswith(f"-{module}"):
            return module
    return None


def queue_beside(queue: str, module: str) -> str:
    """Return the queue of a module's steps for a workflow that was started on ``queue``."""
    own = module_of(queue)
    return queue if own is None else queue.removesuffix(own) + module
