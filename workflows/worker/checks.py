"""The checks of what a worker uses, for ``ntbridge-worker check`` and ``ntbridge doctor``."""

import asyncio
import json
import os
from collections.abc import Mapping, Sequence

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.service import RPCError

from bridge.runtime import temporal_client
from bridge.runtime.encryption import encryption_finding
from bridge.runtime.errors import ConnectionFileError
from bridge.runtime.findings import Finding, is_ready
from bridge.runtime.payload_store.check import look_at_payload_store
from bridge.runtime.terminal import print_exact, print_message
from eventstore.database import Database
from eventstore.errors import EventStoreError
from workflows.adapters.openai.check import CHECK, look_at_embeddings, look_at_model, offer
from workflows.config import ModelSettings, WorkerSettings, origins
from workflows.environment import origin_in_environment
from workflows.errors import InvalidSettingError
from workflows.modules.models import shared_redis
from workflows.worker.health import postgres_finding, temporal_finding
from workflows.worker.logs import configure_logs

REDIS = "redis"
_OF_WORKERS = frozenset({"redis_url", "task_queue"})
"""Settings with the usual names that only workers read."""
_USAGE, _UNAVAILABLE = 2, 4
"""The same exit codes as ``ntbridge``."""


async def model_findings(settings: ModelSettings) -> list[Finding]:
    """Ask the models and the Redis that the settings name; offer servers if they name no model."""
    findings: list[Finding] = []
    if settings.asks_model:
        findings.append(await look_at_model(settings.openai))
    elif (offered := await offer()) is not None:
        findings.append(offered)
    if settings.asks_embeddings:
        findings.append(await look_at_embeddings(settings.openai))
    redis = shared_redis(settings.redis_url)
    if redis is not None:
        problem = await redis.check()
        await redis.close()
        findings.append(redis_finding(problem))
    return findings


async def doctor_findings() -> list[Finding]:
    """Return the findings for ``ntbridge doctor``: what the environment says of a worker's models."""
    try:
        # The daemon's command shows the origins of what both programs read.
        own = {key: origin for key, origin in origins({}).items() if key in _OF_WORKERS}
        return [
            *await model_findings(ModelSettings.from_environment()),
            *_origin_findings(own, prefix="worker."),
        ]
    except InvalidSettingError as error:
        return [Finding(CHECK, "failed", str(error), "correct the setting")]


async def worker_findings(flags: Mapping[str, str | None]) -> list[Finding]:
    """Check all that a worker with these flags would use.

    Without ``DATABASE_URL``, only the models are checked: ``ntbridge dev`` gives its worker the
    addresses of its own servers.

    Raises:
        InvalidSettingError: A setting is wrong.
    """
    if flags.get("database_url") is None and not _has_database():
        skipped = Finding(
            "servers",
            "ok",
            "Temporal and Postgres not checked: DATABASE_URL is not set",
            "set it to check them; 'ntbridge dev' needs none",
        )
        return [
            *await _models(ModelSettings.from_environment()),
            skipped,
            *_origin_findings(origins(flags)),
        ]
    settings = WorkerSettings.read(flags)
    return [
        await _temporal(settings),
        await _postgres(settings),
        await look_at_payload_store(settings.payloads, settings.temporal.namespace),
        encryption_finding(settings.plain_connections, insecure=settings.insecure),
        *await _models(settings),
        *_origin_findings(origins(flags)),
    ]


def _origin_findings(found: Mapping[str, str], prefix: str = "") -> list[Finding]:
    return [
        Finding(f"setting {prefix}{key}", "ok", f"from {origin}")
        for key, origin in sorted(found.items())
    ]


async def _models(settings: ModelSettings) -> list[Finding]:
    found = await model_findings(settings)
    if any(each.check == CHECK for each in found):
        return found
    unused = "none is used: QAGENT__GATEWAY and QTEST__GENERATOR name none"
    return [Finding(CHECK, "ok", unused, "see 'Use a language model' in the README"), *found]


def redis_finding(problem: str | None) -> Finding:
    """Return the finding for Redis. Without it, work goes on: it is never a failure."""
    if problem is None:
        return Finding(REDIS, "ok", "answers")
    return Finding(
        REDIS,
        "warning",
        f"{problem}; each worker has its own cache and limits",
        "start it, or correct REDIS_URL",
    )


def _has_database() -> bool:
    return origin_in_environment("database_url") is not None


async def _temporal(settings: WorkerSettings) -> Finding:
    try:
        client = await temporal_client.connect(settings.temporal)
        await client.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=client.namespace)
        )
    except (RPCError, RuntimeError, ConnectionFileError) as error:
        return temporal_finding(settings, error)
    return Finding("temporal", "ok", "answers")


async def _postgres(settings: WorkerSettings) -> Finding:
    try:
        database = await Database.connect(settings.database_url.get_secret_value())
    except EventStoreError as error:
        return postgres_finding(error)
    await database.close()
    return Finding("postgres", "ok", "answers")


# What the command prints.


def check_and_print(flags: Mapping[str, str | None], *, as_json: bool) -> int:
    """Check what a worker with these flags would use."""
    configure_logs("ERROR")
    try:
        findings = asyncio.run(worker_findings(flags))
    except InvalidSettingError as error:
        print_message(f"ntbridge-worker: {error}")
        return _USAGE
    if as_json:
        print_exact(json.dumps([dict(each.row()) for each in findings], indent=2))
    else:
        print_exact("\n".join(lines(findings)))
    return os.EX_OK if is_ready(findings) else _UNAVAILABLE


def lines(findings: Sequence[Finding]) -> list[str]:
    """Return the findings as text."""
    shown = []
    for each in findings:
        shown.append(f"{each.state:<8} {each.check}: {each.detail}")
        if each.to_do is not None:
            shown.append(f"{'':<8} -> {each.to_do}")
    return shown
