"""Which task queue a module's activities are on.

A module has a queue of its own, and workers that scale apart. Which one follows from the queue
that the *workflow* was started on, because that is recorded in its history: a worker's settings
could differ from one worker to the next, and a replay must not depend on them.

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
    """Return the module whose own queue this is, with or without a prefix, if it is one's."""
    for module in MODULES:
        if queue == module or queue.endswith(f"-{module}"):
            return module
    return None


def queue_beside(queue: str, module: str) -> str:
    """Return the queue of a module's steps for a workflow that was started on ``queue``."""
    own = module_of(queue)
    return queue if own is None else queue.removesuffix(own) + module
