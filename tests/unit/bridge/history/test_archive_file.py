"""Damage of any kind to an exported history is one sentence, and never another history."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.history.archive_file import (
    FORMAT,
    VERSION,
    ArchiveRefused,
    Head,
    Note,
    Tail,
    line_of,
    read,
)
from eventstore.copy_out import COLUMNS

HEAD = Head(format=FORMAT, version=VERSION, incarnation=UUID(int=7), through=9, columns=COLUMNS)


def row(position: int) -> bytes:
    return (
        b"\t".join([str(position).encode(), *(b"x%d" % n for n in range(1, len(COLUMNS)))])
        + b"\n"
    )


NOTE = line_of(Note(note="removal", row=msgspec.Raw(b'{"id":1}')))


def sealed(head: bytes, *lines: bytes) -> bytes:
    """A file whose count and digest fit, whatever its lines are."""
    body = head + b"".join(lines)
    events = sum(not line.startswith(b'{"note"') for line in lines)
    return body + line_of(Tail(events=events, sha256=hashlib.sha256(body).hexdigest()))


GOOD = sealed(line_of(HEAD), row(1), row(2), row(5), NOTE)


@contextmanager
def file_of(content: bytes) -> Iterator[Path]:
    with NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        yield Path(file.name)


def refusal(content: bytes) -> str:
    with file_of(content) as path:
        with pytest.raises(ArchiveRefused) as refused:
            read(path).check()
        return str(refused.value).replace(str(path), "the file")


def test_a_whole_file_is_read() -> None:
    with file_of(GOOD) as path:
        archive = read(path)
    assert archive.check().events == 3
    assert (archive.last, archive.head) == (5, HEAD)
    assert [line_of(note) for note in archive.notes] == [NOTE]
    assert archive.rows_sha256 == hashlib.sha256(row(1) + row(2) + row(5)).hexdigest()


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """The file with bytes changed, taken out, put in, moved or cut off."""
    content = GOOD
    for _ in range(draw(st.integers(1, 3))):
        begin = draw(st.integers(0, len(content)))
        end = draw(
            st.integers(begin, min(len(content), begin + draw(st.sampled_from([0, 1, 9, 999]))))
        )
        piece = st.binary(max_size=3) | st.sampled_from(
            [b"\n", b"\t", b"{", b"}\n", b"\0", row(6)]
        )
        put = draw(
            piece | st.just(content[begin:end] * 2) | st.just(content[begin:end].swapcase())
        )
        content = content[:begin] + put + content[end:]
    return content


@given(damaged() | st.integers(0, len(GOOD)).map(lambda size: GOOD[:size]) | st.binary())
def test_any_damage_is_one_sentence(content: bytes) -> None:
    if content == GOOD:
        return
    said = refusal(content)
    assert said
    assert "\n" not in said
    assert said.isprintable()


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_no_changed_byte_passes(where: int, by: int) -> None:
    refusal(GOOD[:where] + bytes([GOOD[where] ^ by]) + GOOD[where + 1 :])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (GOOD + b"\n", "data follows its last line"),
        (GOOD + GOOD, "data follows its last line"),
        (GOOD[:-1], "unfinished"),
        (GOOD.replace(b'"through":9', b'"through":8'), "changed or damaged"),
        (sealed(line_of(HEAD), row(2), row(1)), "row 2 has position 1"),
        (sealed(line_of(HEAD), row(1), row(1)), "row 2 has position 1"),
        (sealed(line_of(HEAD), row(10)), "the history ends at 9"),
        (sealed(line_of(HEAD), b"1\ttoo short\n"), "row 1 is not an event"),
        (sealed(line_of(HEAD), b"+" + row(1)), "row 1 is not an event"),
        (sealed(line_of(HEAD), b"\n"), "row 1 is not an event"),
        (sealed(line_of(HEAD), row(1), NOTE, row(2)), "a row follows its notes"),
        (sealed(line_of(HEAD), row(1), NOTE.replace(b"removal", b"other")), "a note"),
        (sealed(line_of(HEAD).replace(b'"version":3', b'"version":1')), "version 1"),
        (
            sealed(line_of(HEAD).replace(b'"through":9', b'"through":-9')),
            "not an exported history",
        ),
        (
            sealed(line_of(HEAD).replace(b'"through":9', b'"through":9e99')),
            "not an exported history",
        ),
        (sealed(b" " + line_of(HEAD)), "first line"),
        (line_of(HEAD) + row(1) + b"{}\n", "last line"),
        (line_of(HEAD) + row(1) + b"{\xff\n", "last line"),
        (b"\x1f\x8b\x08\0" + GOOD, "not an exported history"),
        (b"", "not an exported history"),
    ],
)
def test_what_is_wrong_is_said(content: bytes, says: str) -> None:
    assert says in refusal(content)


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ArchiveRefused, match="cannot be read"):
            read(path)
