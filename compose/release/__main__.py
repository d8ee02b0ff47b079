"""Builds everything that a release publishes, into ``dist/``.

=============================================  =====================================================================
``nats_temporal_bridge-….whl``, ``.tar.gz``     the bridge
``nats_temporal_bridge_pipelines-…``            the reference pipelines
``docker-bake.hcl``                             how the image is built for several architectures
``….cdx.json``                                  of each of them, and of the image, what it is made of (CycloneDX)
``SHA256SUMS``                                  digests of all these
``provenance.intoto.json``                      from which commit they were built, how and when (in-toto, SLSA)
=============================================  =====================================================================

The same commit gives the same wheels: times in them are the commit's.
"""

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from compose.release.provenance import digest_of, statement
from compose.release.sbom import IMAGE_EXTRAS, bill_of_image, bill_of_wheel

ROOT = Path(__file__).parents[2]
PROJECTS = (ROOT, ROOT / "workflows")
BAKE = ROOT / "compose" / "docker-bake.hcl"


def build(target: Path) -> None:
    """Build all of it into an empty folder."""
    began = datetime.now(UTC)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for project in PROJECTS:
        # Without isolation: the versions that constraints.txt pins.
        _run(sys.executable, "-m", "build", "--no-isolation", "--outdir", target, project)
    _run(sys.executable, "-m", "twine", "check", "--strict", *sorted(target.iterdir()))
    shutil.copy(BAKE, target)
    for artefact in sorted(target.iterdir()):
        if artefact.suffix == ".whl":
            # The source distribution is made of the same.
            source = next(target.glob(f"{artefact.name.partition('-')[0]}-*.tar.gz"))
            for each in (artefact, source):
                _write(target / f"{each.name}.cdx.json", bill_of_wheel(artefact, each))
    _write(target / "image.cdx.json", bill_of_image(ROOT, IMAGE_EXTRAS))
    files = sorted(each for each in target.iterdir() if each.is_file())
    sums = "".join(f"{digest_of(each)}  {each.name}\n" for each in files)
    _write(target / "SHA256SUMS", sums)
    _write(target / "provenance.intoto.json", statement(ROOT, files, began))


def _run(*command: str | Path) -> None:
    subprocess.run(command, cwd=ROOT, env={**os.environ, **_times()}, check=True)  # noqa: S603 - our own tools


def _times() -> dict[str, str]:
    """The time of the last commit, for files in archives."""
    git = ["git", "log", "-1", "--format=%ct"]
    found = subprocess.run(git, cwd=ROOT, check=False, capture_output=True, text=True)  # noqa: S603
    return {"SOURCE_DATE_EPOCH": found.stdout.strip()} if found.returncode == 0 else {}


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    build(ROOT / "dist")
