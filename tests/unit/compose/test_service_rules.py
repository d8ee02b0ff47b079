"""Compose's Prometheus loads the rules of deployed services from where the worker writes them."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.containers import COMPOSE
from workflows.adapters.prometheus.rules import rules_for
from workflows.messages.monitoring import MonitoringRequest

CONFIG = COMPOSE.parent / "observability" / "prometheus" / "prometheus.yaml"
SERVICES: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
PROMTOOL = shutil.which("promtool")

needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not installed (apt-get install prometheus)"
)


def promtool(*arguments: str) -> str:
    assert PROMTOOL is not None
    done = subprocess.run(
        [PROMTOOL, "check", *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@needs_promtool
def test_prometheus_takes_its_configuration() -> None:
    promtool("config", str(CONFIG))


@needs_promtool
def test_prometheus_takes_the_rules_of_a_service(tmp_path: Path) -> None:
    request = MonitoringRequest(environment="staging", service="shop", key="one", owner="web")
    file = tmp_path / "staging@shop.rules.yml"
    file.write_text(yaml.safe_dump(rules_for(request)))
    assert "14 rules found" in promtool("rules", str(file))


def test_both_have_the_same_folder_and_the_rules_are_loaded_again() -> None:
    worker, prometheus = SERVICES["worker-qsre"], SERVICES["prometheus"]
    state = worker["environment"]["NTBRIDGE_WORKER_STATE"]
    assert f"monitoring:{state}/monitoring" in worker["volumes"]
    assert f"monitoring:{state}/monitoring:ro" in prometheus["volumes"]
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    assert f"{state}/monitoring/*.rules.yml" in config["rule_files"]
    targets = next(each for each in config["scrape_configs"] if each["job_name"] == "services")
    assert targets["file_sd_configs"][0]["files"] == [f"{state}/monitoring/targets.json"]
    assert "--enable-feature=auto-reload-config" in prometheus["command"]
