"""QSRE's settings."""

from pathlib import Path
from typing import Literal

from workflows.settings.part import Part


class QSRESettings(Part):
    """How services are watched.

    Attributes:
        monitor: ``prometheus`` writes rules files.
        folder: For them; Prometheus' ``rule_files`` names ``<folder>/*.rules.yml``. By default
            ``monitoring`` in the worker's state folder.
    """

    monitor: Literal["prometheus"] = "prometheus"
    folder: Path | None = None
