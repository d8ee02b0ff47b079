"""Which queue a step is on follows from the workflow's own."""

import pytest

from workflows.config import WorkerSettings
from workflows.errors import InvalidSettingError
from workflows.modules import MODULES, queues_of
from workflows.platform.queues import MODULES as NAMES
from workflows.platform.queues import queue_beside


def settings(**flags: str) -> WorkerSettings:
    return WorkerSettings.read({"database_url": "postgresql://localhost/db", **flags})


@pytest.mark.parametrize(
    ("own", "beside"),
    [
        ("qagent", "qtest"),
        ("qtest", "qtest"),
        ("staging-qagent", "staging-qtest"),
        ("everything", "everything"),
        ("xqagent", "xqagent"),
        ("qagent-2", "qagent-2"),
    ],
)
def test_the_queue_of_a_step(own: str, beside: str) -> None:
    assert queue_beside(own, "qtest") == beside


def test_every_module_that_can_be_served_is_known_to_workflow_code() -> None:
    of_tests = {"light", "coded"}
    assert MODULES.keys() - of_tests <= set(NAMES)


def test_each_module_polls_a_queue_of_its_own() -> None:
    assert queues_of(settings(modules="qagent")) == {"qagent": ("qagent",)}
    prefixed = settings(modules="qagent", queue_prefix="staging")
    assert queues_of(prefixed) == {"staging-qagent": ("qagent",)}
    assert set(queues_of(settings())) == set(MODULES)


def test_one_queue_for_all() -> None:
    assert queues_of(settings(modules="qagent", task_queue="all")) == {"all": ("qagent",)}
    assert queues_of(settings(modules="qagent", task_queue="qagent")) == {"qagent": ("qagent",)}


def test_names_that_would_mislead_workflows_are_refused() -> None:
    with pytest.raises(InvalidSettingError, match="queue of module qtest alone"):
        queues_of(settings(modules="qagent", task_queue="my-qtest"))
    with pytest.raises(InvalidSettingError, match="cannot be used together"):
        queues_of(settings(task_queue="all", queue_prefix="staging"))
    with pytest.raises(InvalidSettingError, match="unknown module qtset"):
        queues_of(settings(modules="qagent,qtset"))
