"""A bridge with the pipelines' sample routes, and what its worker keeps."""

from dataclasses import dataclass
from pathlib import Path

import yaml
from typing_extensions import override

from bridge import samples
from bridge.daemon.setup import prepare
from bridge.devstack.child import Child
from eventstore.database import Database
from tests.support.daemon import Bridge
from tests.support.environments import SeenSlice, look
from tests.support.scripted_worker import FOLDER, Scripts


@dataclass(frozen=True, kw_only=True)
class PipelinesBridge(Bridge):
    """A bridge with the sample routes, all on the test's own task queue."""

    @property
    def scripts(self) -> Scripts:
        """What its worker's activities follow."""
        return Scripts(self.folder / "scripts")

    @property
    def state(self) -> Path:
        """The worker's folder."""
        return self.folder / "state"

    @property
    def objects(self) -> Path:
        """The object store."""
        return self.folder / "artefacts"

    async def seen(self, environment: str, owner: str = "") -> SeenSlice:
        """Look at what an owner has in an environment, asking no adapter."""
        database = await Database.connect(self.database_url, size=1)
        try:
            return await look(database, self.objects, environment, owner)
        finally:
            await database.close()

    @override
    async def set_up(self) -> None:
        self.scripts.folder.mkdir(exist_ok=True)
        file = yaml.safe_load(samples.ROUTES.read_text())
        for route in file["routes"]:
            if "start" in route:
                route["start"]["task_queue"] = self.task_queue
        self.routes_file.write_text(yaml.safe_dump(file))
        await prepare(self.settings)

    def scripted_worker(self, name: str = "worker", **env: str) -> Child:
        """The worker with all modules."""
        env = {
            **env,
            "NTBRIDGE_WORKER_TASK_QUEUE": self.task_queue,
            "NTBRIDGE_WORKER_STATE": str(self.state),
            "NTBRIDGE_WORKER_ARTEFACTS": str(self.objects),
            FOLDER: str(self.scripts.folder),
        }
        module = ["tests.support.scripted_worker"]
        return self._child(name, module, "worker ready", env)
