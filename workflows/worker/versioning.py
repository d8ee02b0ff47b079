"""Worker deployment versioning: a run stays with the build that it began on.

A worker that is given a build id belongs to a version, ``<deployment>.<build id>``. Temporal gives
new runs to the deployment's *current* version only, and pins each of them to it: a run is replayed
by the code that wrote its history, so that a change of a workflow cannot break it. The workers of
the old build go on until their runs have ended ("drained").

Who makes a version current is the operator's to choose: Temporal's own command line
(``temporal worker deployment set-current-version``), which can also ramp it up by percentages, or
the worker itself (``--make-current``), when it and the others of its build poll every queue that
the version before it polled. Until a version is current, no new run comes to its workers.

Without a build id a worker is unversioned, and takes what belongs to no version: the way of
``ntbridge dev``.
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
"""The server does not know the version, or not all of its queues; or it is away."""


def version_of(settings: WorkerSettings) -> WorkerDeploymentVersion | None:
    """Return the version that a worker belongs to, if it belongs to one."""
    if settings.build_id is None:
        return None
    return WorkerDeploymentVersion(settings.deployment, settings.build_id)


def deployment_config(settings: WorkerSettings) -> WorkerDeploymentConfig | None:
    """Return what a worker is told: runs are pinned unless their workflow says otherwise."""
    version = version_of(settings)
    if version is None:
        return None
    return WorkerDeploymentConfig(
        version=version,
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.PINNED,
    )


async def make_current(client: Client, version: WorkerDeploymentVersion, identity: str) -> None:
    """Make a version the current one; waits until its workers poll every queue there is.

    Raises:
        RPCError: The server refuses, and will tomorrow.
    """
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace,
        deployment_name=version.deployment_name,
        build_id=version.build_id,
        identity=identity,
    )
    told = ""
    while True:
        try:
            await client.workflow_service.set_worker_deployment_current_version(request)
        except RPCError as error:
            if error.status not in _NOT_YET:
                raise
            if told != error.message:
                told = error.message
                _log.info(
                    "version not current yet",
                    version=version.to_canonical_string(),
                    reason=told,
                )
            await asyncio.sleep(_AGAIN_SECONDS)
        else:
            _log.info("version made current", version=version.to_canonical_string())
            return
