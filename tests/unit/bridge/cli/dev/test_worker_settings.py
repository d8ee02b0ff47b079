"""The worker of the development stack gets its settings from the environment."""

from pathlib import Path

import pytest

from bridge.cli.dev.stack import programs


def test_the_worker_gets_its_settings_and_no_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    model = {
        "NTBRIDGE_WORKER_QAGENT__GATEWAY": "openai",
        "NTBRIDGE_WORKER_OPENAI__BASE_URL": "http://localhost:11434/v1",
        "NTBRIDGE_WORKER_OPENAI__API_KEY": "key",
        "REDIS_URL": "redis://localhost",
    }
    others = {
        "NTBRIDGE_WORKER_DATABASE_URL": "postgresql://elsewhere/x",
        "NTBRIDGE_WORKER_TEMPORAL_ADDRESS": "elsewhere:7233",
        "NTBRIDGE_WORKER_STATE": "/elsewhere",
        "DATABASE_URL": "postgresql://elsewhere/x",
        "NTBRIDGE_NATS__SERVERS": "elsewhere",
    }
    for name, value in {**model, **others}.items():
        monkeypatch.setenv(name, value)
    daemon, worker, _ = programs(Path("routes.yaml"), "0" * 64)
    assert model.items() <= worker.env.items()
    assert not others.keys() & worker.env.keys()
    assert not model.keys() & daemon.env.keys()
