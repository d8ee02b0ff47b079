"""The statement that says from what the files of a release were built: in-toto v1, with SLSA's predicate v1.

It is not signed. Sign it when you publish, with ``cosign attest-blob`` or the like.
"""

import json
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

_TOOLS = ("build", "hatchling", "twine", "cyclonedx-python-lib")


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return sha256(path.read_bytes()).hexdigest()


def statement(root: Path, files: Sequence[Path], began: datetime) -> str:
    """Return the statement about some files, as JSON.

    Args:
        root: The checkout.
        files: What was built.
        began: When.
    """
    commit = _git(root, "rev-parse", "HEAD")
    changed = bool(_git(root, "status", "--porcelain", "--untracked-files=no"))
    content = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": each.name, "digest": {"sha256": digest_of(each)}} for each in files
        ],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "urn:nats-temporal-bridge:make-dist:v1",
                "externalParameters": {"target": "dist"},
                "internalParameters": {
                    "python": platform.python_version(),
                    "machine": platform.machine(),
                    "uncommittedChanges": changed,
                },
                "resolvedDependencies": [
                    *([{"name": "source", "digest": {"gitCommit": commit}}] if commit else []),
                    {
                        "name": "constraints.txt",
                        "digest": {"sha256": digest_of(root / "constraints.txt")},
                    },
                    *({"uri": f"pkg:pypi/{name}@{version(name)}"} for name in _TOOLS),
                ],
            },
            "runDetails": {
                "builder": {"id": "urn:nats-temporal-bridge:make-dist"},
                "metadata": {
                    "startedOn": began.isoformat(timespec="seconds"),
                    "finishedOn": datetime.now(UTC).isoformat(timespec="seconds"),
                },
            },
        },
    }
    return json.dumps(content, indent=2) + "\n"


def _git(root: Path, *arguments: str) -> str:
    """Return what git says; nothing outside of a checkout."""
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments
            ["git", *arguments],  # noqa: S607 - the user's git
            cwd=root,
            check=False,
            capture_output=True,
            text=True,
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
