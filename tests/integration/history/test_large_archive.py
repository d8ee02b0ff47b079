"""A large history in the format of the early releases: imported and exported again, byte for byte."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from bridge.history import archive
from bridge.history.archive_file import FORMAT, Head, Tail, line_of, read
from bridge.lifecycle.lease_names import RELAY_CHECKPOINT
from eventstore.copy_out import EARLY_COLUMNS
from eventstore.database import Database
from eventstore.events import Event
from eventstore.store import EventStore
from tests.support import history

STREAMS = 997
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def rows(count: int) -> Iterator[bytes]:
    """Rows as an early release exported them; positions have gaps."""
    roots: dict[int, UUID] = {}
    for number in range(count):
        stream, version = number % STREAMS, number // STREAMS + 1
        data = b'{"n":%d}' % number
        event = Event(
            id=f"e {number}",
            source=f"/shop/{number % 31}",
            type=f"io.example.shop.kind{number % 40}.v{number % 3 + 1}",
            data=data,
        )
        root = roots.setdefault(stream, event.uid)
        caused = version > 1
        extensions = (
            f'{{"hops": {version}, "correlationid": "e {stream}"}}' if caused else "\\N"
        )
        recorded = f"{BEGAN + timedelta(seconds=number):%Y-%m-%d %H:%M:%S}+00"
        origin = "emitted" if caused else "received"
        trace = f"00-{number:032x}-00f067aa0ba902b7-01" if number % 2 else "\\N"
        columns = (
            str(number * 2 + 1), str(event.uid), f"order-{stream}", str(version), recorded, origin,
            event.id, event.source, event.type, "\\N", "\\N", "application/json", "\\N",
            f"\\\\x{data.hex()}", trace, "\\N", extensions, f"events.shop.{number % 7}",
            f"e {stream}" if caused else event.id, str(root if caused else event.uid), "\\N", "\\N",
            "\\N", "7" if number % 13 == 0 else str(number % 3 + 1), f"\\\\x{event.digest.hex()}",
        )  # fmt: skip
        yield ("\t".join(columns) + "\n").encode()


def write(path: Path, count: int) -> None:
    head = Head(
        format=FORMAT,
        version=2,
        incarnation=uuid4(),
        through=2 * count,
        columns=EARLY_COLUMNS,
    )
    whole = hashlib.sha256()
    with path.open("wb") as file:
        for line in chain([line_of(head)], rows(count)):
            file.write(line)
            whole.update(line)
        file.write(line_of(Tail(events=count, sha256=whole.hexdigest())))


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(20_000, marks=pytest.mark.slow),
        pytest.param(1_000_000, marks=pytest.mark.torture),
    ],
)
@pytest.mark.timeout(3600)
async def test_an_imported_history_is_exported_with_the_same_digest(
    database: Database, store: EventStore, tmp_path: Path, count: int
) -> None:
    early = tmp_path / "early"
    write(early, count)
    found = read(early)
    await archive.import_history(
        database,
        early,
        found,
        keep_incarnation=True,
        relayed=RELAY_CHECKPOINT,
        advanced=lambda _: None,
    )
    again = await archive.export(
        store, tmp_path / "again", resume=False, advanced=lambda _: None
    )
    assert again.events == count
    assert history.early_digest(tmp_path / "again", again) == found.rows_sha256
    assert len(await store.sources(100)) == 31
