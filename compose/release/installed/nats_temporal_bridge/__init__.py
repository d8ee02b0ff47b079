"""How the installed programs find their packages, whatever else is installed beside them.

A wheel that put ``bridge``, ``eventstore`` and ``workflows`` at the top of site-packages would overwrite a team's own packages of
these names: pip does not look. So the wheels put them below this package, in ``packages``, and:

* the programs ``ntbridge`` and ``ntbridge-worker`` put that folder first on their import path,
* a ``.pth`` file puts it last on everybody else's, so that ``import bridge`` works where nothing else has that name.

In a checkout that folder does not exist, and the packages are found in the checkout.
"""

import sys
from pathlib import Path

__all__ = ["activate", "ntbridge", "ntbridge_worker"]

PACKAGES = Path(__file__).parent / "packages"
"""The folder of the packages in an installed wheel; the documentation is in it too."""


def activate() -> None:
    """Put the packages of the wheel first on this process's import path."""
    folder = str(PACKAGES)
    if PACKAGES.is_dir() and sys.path[:1] != [folder]:
        sys.path[:] = [folder, *(path for path in sys.path if path != folder)]


def ntbridge() -> None:
    """Run the command ``ntbridge``."""
    activate()
    from bridge.cli.main import main  # noqa: PLC0415 - the path first

    main()


def ntbridge_worker() -> None:
    """Run the command ``ntbridge-worker``, of the distribution with the pipelines."""
    activate()
    from workflows.worker.cli import main  # noqa: PLC0415 - the path first

    main()
