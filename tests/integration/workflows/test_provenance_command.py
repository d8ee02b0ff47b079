"""``ntbridge provenance`` against a run that really was."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from temporalio.client import Client

from eventstore.database import Database
from eventstore.store import EventStore
from tests.replay.branches import BRANCHES, run_branch
from tests.support.cli import ntbridge
from workflows.adapters.qlafs.registered import KeyRegistration

pytestmark = pytest.mark.slow


def public_key(key: Ed25519PrivateKey, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return path


async def test_a_run_is_shown_verified_and_found_out(
    client: Client,
    store: EventStore,
    migrated_database_url: str,
    task_queue: str,
    tmp_path: Path,
) -> None:
    branch = next(branch for branch in BRANCHES if branch.name == "sealed")
    handle = await run_branch(branch, client=client, task_queue=task_queue, store=store)
    public_key(
        Ed25519PrivateKey.from_private_bytes(bytes(32)),
        tmp_path / ".ntbridge" / "worker" / "qlafs.pub",
    )
    env = {"DATABASE_URL": migrated_database_url}

    async def provenance(verb: str, *more: str) -> tuple[int, list[dict[str, object]], str]:
        done = await ntbridge(
            "provenance", verb, handle.id, "-o", "ndjson", *more, cwd=tmp_path, env=env
        )
        return done.code, done.rows, done.err

    code, rows, _ = await provenance("show")
    assert code == 0
    assert [(row["kind"], row["agent"], row["covers"]) for row in rows] == [
        ("fingerprint", "qagent-v1", 3),
        ("seal", "CodeGenerationWorkflow", 2),
    ]
    assert rows[0]["artifact"], "the event with the code is named"

    code, rows, _ = await provenance("verify")
    assert code == 0, rows
    [run] = rows
    assert (run["run"], run["verdict"], run["events"]) == (handle.id, "verified", 6)

    # A run is verified wherever it was signed: each worker registers its key.
    (tmp_path / ".ntbridge/worker/qlafs.pub").unlink()
    code, _, err = await provenance("verify")
    assert (code, "no worker has registered a key" in err) == (2, True)
    for number in (0, 1, 1):
        signing = Ed25519PrivateKey.from_private_bytes(bytes([number] * 32))
        await KeyRegistration(store.database, signing, f"worker {number}").start()
    code, rows, _ = await provenance("verify")
    assert (code, rows[0]["verdict"]) == (0, "verified")

    stranger = public_key(Ed25519PrivateKey.generate(), tmp_path / "stranger.pub")
    code, rows, _ = await provenance("verify", "--key", str(stranger))
    assert (code, rows[0]["verdict"]) == (1, "NOT VERIFIED")
    assert "not trusted" in str(rows[0]["problems"])

    database = await Database.connect(migrated_database_url)
    await database.execute("ALTER TABLE events DISABLE TRIGGER USER")
    await database.execute(
        "UPDATE events SET data = set_byte(data, 20, get_byte(data, 20) # 1) WHERE version = 2"
    )
    await database.close()
    code, rows, _ = await provenance("verify")
    assert (code, rows[0]["verdict"]) == (1, "NOT VERIFIED")
    assert "an event before it was changed: event 2" in str(rows[0]["problems"])

    done = await ntbridge("provenance", "verify", "nothing", cwd=tmp_path, env=env)
    assert done.code == 1
    assert "no run has emitted a result of event nothing" in done.err
