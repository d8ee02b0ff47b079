"""Worker deployment versioning: a run stays with the build that started it.

A worker with a build id belongs to a version, ``<deployment>.<build id>``. Temporal gives new runs
to the deployment's *current* version only and pins each run to it. The code that wrote a history
also replays it, so a changed workflow cannot break open runs. The workers of the old build keep
running until their runs have ended ("drained").

The operator makes a version current with Temporal's command line (``temporal worker deployment
set-current-version``), which can also ramp it up by percentages. Or the worker does it
(``--make-current``) once the workers of its build poll every queue that the previous version
polled. Until its version is current, a worker gets no new runs.

A worker without a build id is unversioned and takes the runs of no version; ``ntbridge dev``
works this way.
"""

import asyncio

import structlog
from temporalio.api.workflowservice.v1 import SetWorkerDeploymentCurrentVersionRequest
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import WorkerDeploymentConfig

from workflows.config import WorkerSettings

_log = structlog.get_logger(__name__)

_AGAIN_SECONDS = 0.5
_NOT_YET = frozenset(
    {RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION, RPCStatusCode.UNAVAILABLE}
)
"""gRPC codes for: the server does not know the version or its queues yet, or is down."""


def version_of(settings: WorkerSettings) -> WorkerDeploymentVersion | None:
    """Return the version of a worker, None when it is unversioned."""
    if settings.build_id is None:
        return None
    return WorkerDeploymentVersion(settings.deployment, settings.build_id)


def deployment_config(settings: WorkerSettings) -> WorkerDeploymentConfig | None:
    """Return the versioning config: runs are pinned unless their workflow says otherwise."""
    version = version_of(settings)
    if version is None:
        return None
    return WorkerDeploymentConfig(
        version=version,
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.PINNED,
    )


async def make_current(client: Client, version: WorkerDeploymentVersion, identity: str) -> None:
    """Make a version current; wait until its workers poll every queue.

    Raises:
        RPCError: The server rejects the call; a retry would not help.
    """
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace,
        deployment_name=version.deployment_name,
        build_id=version.build_id,
        identity=identity,
    )
    last_reason = ""
    while True:
        try:
            await client.workflow_service.set_worker_deployment_current_version(request)
        except RPCError as error:
            if error.status not in _NOT_YET:
                raise
            if last_reason != error.message:
                last_reason = error.message
                _log.info(
                    "version not current yet",
                    version=version.to_canonical_string(),
                    reason=last_reason,
                )
            await asyncio.sleep(_AGAIN_SECONDS)
        else:
            _log.info("version made current", version=version.to_canonical_string())
            return
