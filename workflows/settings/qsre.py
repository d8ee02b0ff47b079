"""QSRE's settings."""

from pathlib import Path
from typing import Annotated

from workflows.settings.part import Part, one_of


class QSRESettings(Part):
    """How services are watched.

    Attributes:
        monitor: ``prometheus`` writes rules files.
        folder: For them; Prometheus' ``rule_files`` names ``<folder>/*.rules.yml``. By default
            ``monitoring`` in the worker's state folder.
    """

    monitor: Annotated[str, one_of("prometheus")] = "prometheus"
    folder: Path | None = None
