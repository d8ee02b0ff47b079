"""The worker understands the names that a platform's deployments use."""

import os

import pytest

from bridge.devstack.environment import foreign_settings
from workflows.config import WorkerSettings, origins
from workflows.errors import InvalidSettingError

NAMES = {
    "TEMPORAL_HOST": "temporal-frontend.quantum-system",
    "TASK_QUEUE": "pipelines",
    "POSTGRES_URL": "postgresql://postgres/quantum",
    "POSTGRES_USER": "worker",
    "POSTGRES_PASSWORD": "secret",
    "REDIS_URL": "redis://valkey:6379",
    "NTBRIDGE_INSECURE": "true",
}


@pytest.fixture(autouse=True)
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in foreign_settings(list(os.environ)):
        monkeypatch.delenv(name)
    for name, value in NAMES.items():
        monkeypatch.setenv(name, value)


def test_all_are_read_and_their_origin_is_known() -> None:
    settings = WorkerSettings.read({})
    assert settings.temporal.address == "temporal-frontend.quantum-system:7233"
    assert settings.task_queue == "pipelines"
    assert settings.database_url.get_secret_value() == (
        "postgresql://worker:secret@postgres/quantum"
    )
    assert origins({}) == {
        "temporal.address": "the environment variable TEMPORAL_HOST",
        "task_queue": "TASK_QUEUE (environment)",
        "database_url": "POSTGRES_URL (environment)",
        "redis_url": "REDIS_URL (environment)",
        "insecure": "NTBRIDGE_INSECURE (environment)",
    }


def test_our_own_names_and_flags_go_before_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NTBRIDGE_WORKER_TASK_QUEUE", "own")
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@own/d")
    settings = WorkerSettings.read({})
    assert settings.task_queue == "own"
    assert settings.database_url.get_secret_value() == "postgresql://u@own/d"
    assert WorkerSettings.read({"task_queue": "flag"}).task_queue == "flag"
    assert origins({"task_queue": "flag"})["task_queue"] == "--task-queue (flag)"


def test_an_empty_one_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASK_QUEUE", "")
    assert WorkerSettings.read({}).task_queue is None


def test_a_wrong_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_URL", "mysql://db")
    with pytest.raises(InvalidSettingError, match=r"POSTGRES_URL \(environment\)"):
        WorkerSettings.read({})
