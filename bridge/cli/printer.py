"""`Printer`: rows as a table, JSON, NDJSON or YAML; the same for every command."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from cyclopts import Parameter

from bridge.cli import exits, words
from bridge.cli.exits import Exit
from bridge.runtime.terminal import (
    console,
    escaped,
    print_exact,
    print_json,
    print_message,
    print_text,
)

Output = Literal["table", "wide", "json", "ndjson", "yaml"]

OutputFlag = Annotated[Output | None, Parameter(name=["--output", "-o"], group="Output")]
ColumnsFlag = Annotated[
    str | None,
    Parameter(
        name="--columns",
        group="Output",
        help="Only these columns, separated by commas, in this order; JSON has the names. In a table also "
        "those that only 'wide' shows.",
    ),
]

_PIPE_WIDTH = 10_000
_MIN_WIDTH = 4
_GAP = 2

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: The member of the row, and the name for ``--columns``.
        title: The heading; by default the name.
        kind: How a value is shown: as it is, as an age (a time), or as the beginning of a uid.
        wide: Whether only ``wide`` shows it.
        cuts: Whether the value may be cut where the terminal is narrow.
        wraps: Whether the value is continued on the next line instead.
        of: The value for people, of a row; by default the member.
    """

    name: str
    title: str = ""
    kind: Literal["plain", "age", "uid"] = "plain"
    wide: bool = False
    cuts: bool = True
    wraps: bool = False
    of: Callable[[Row], object] | None = None

    @property
    def heading(self) -> str:
        """The heading."""
        return self.title or self.name

    def show(self, row: Row, now: datetime | None, *, wide: bool) -> str:
        """Return the value of a row."""
        value = row.get(self.name) if self.of is None else self.of(row)
        if self.kind == "age" and isinstance(value, datetime):
            return words.clock(value) if wide or now is None else words.age(value, now)
        if self.kind == "uid" and isinstance(value, UUID) and not wide:
            return words.short(value)
        return cell(value)


class Printer:
    """Prints rows to standard output one by one (ndjson) or together.

    The default format is table in a terminal and ndjson in a pipe. A value may be `msgspec.Raw`:
    JSON that is printed unchanged, so that no number is rounded. A table fits the terminal: long
    values are cut, and marked with ``…``. In a pipe nothing is cut.

    Args:
        output: The format; None for the default one.
        columns: The columns of a table; by default all members of the first row. A name alone is a
            column whose values wrap.
        only: The value of ``--columns``.
        now: The database's time, from which ages count; None: times are shown.
    """

    def __init__(
        self,
        output: Output | None,
        columns: Sequence[str | Column] = (),
        *,
        only: str | None = None,
        now: datetime | None = None,
    ) -> None:
        self._output: Output = output or ("table" if sys.stdout.isatty() else "ndjson")
        self._columns = [
            Column(each, wraps=True) if isinstance(each, str) else each for each in columns
        ]
        self._only = None if only is None else [each.strip() for each in only.split(",")]
        self._now = now
        self._headed = False

    @property
    def output(self) -> Output:
        """The output format."""
        return self._output

    @property
    def is_table(self) -> bool:
        """Whether people read the output."""
        return self._output in ("table", "wide")

    def stream(self, row: Row) -> None:
        """Print one row of an endless stream, at once."""
        if self.is_table:
            self._table_line(row)
        elif self._output == "yaml":
            print_exact(_yaml([self._chosen(row)]).rstrip("\n"))
        else:
            print_json(as_json(self._chosen(row)))

    def all(self, rows: Iterable[Row]) -> None:
        """Print all rows.

        Raises:
            Exit: ``--columns`` names a column that no row has.
        """
        rows = list(rows)
        self._check(rows)
        match self._output:
            case "json":
                print_json(as_json([self._chosen(row) for row in rows], indent=2))
            case "yaml":
                print_exact(_yaml([self._chosen(row) for row in rows]).rstrip("\n"))
            case "ndjson":
                for row in rows:
                    print_json(as_json(self._chosen(row)), flush=False)
            case _:
                self._table(rows)

    def one(self, value: Any) -> None:
        """Print one object: as JSON, NDJSON or YAML."""
        if self._output == "yaml":
            print_exact(_yaml(value).rstrip("\n"))
        else:
            print_json(as_json(value, indent=2 if self._output == "json" else 0))

    def _check(self, rows: Sequence[Row]) -> None:
        known = [*dict.fromkeys(name for row in rows for name in row)]
        known += [each.name for each in self._columns if each.name not in known]
        missing = [name for name in self._only or () if rows and name not in known]
        if missing:
            raise Exit(
                exits.USAGE,
                f"--columns: there is no column {', '.join(missing)}; there are: {', '.join(known)}",
            )

    def _chosen(self, row: Row) -> Row:
        return row if self._only is None else {name: row.get(name) for name in self._only}

    def _shown(self, rows: Sequence[Row]) -> list[Column]:
        known = {each.name: each for each in self._columns}
        if self._only is not None:
            return [known.get(name, Column(name)) for name in self._only]
        if self._output == "wide":
            # All that a row has, the usual columns first.
            names = dict.fromkeys([*known, *(name for row in rows for name in row)])
            return [known.get(name, Column(name)) for name in names]
        return [each for each in self._columns if not each.wide] or [
            Column(name, wraps=True) for name in (rows[0] if rows else ())
        ]

    def _table(self, rows: Sequence[Row]) -> None:
        from rich.table import Table
        from rich.text import Text

        columns = self._shown(rows)
        wide = self._output == "wide"
        texts = [
            [escaped(each.show(row, self._now, wide=wide)) for each in columns] for row in rows
        ]
        cut = not wide and sys.stdout.isatty()
        widths = _widths(columns, texts, console().width if cut else None)
        table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
        for column, width in zip(columns, widths, strict=True):
            table.add_column(
                Text(escaped(column.heading)), no_wrap=not column.wraps, max_width=width
            )
        overflows: list[Literal["fold", "ellipsis"]] = [
            "fold" if column.wraps else "ellipsis" for column in columns
        ]
        for row in texts:
            table.add_row(
                *(Text(text, overflow=how) for text, how in zip(row, overflows, strict=True))
            )
        console(width=None if cut else _PIPE_WIDTH).print(table, soft_wrap=not cut)

    def _table_line(self, row: Row) -> None:
        columns = self._shown([row])
        if not self._headed:
            self._headed = True
            print_message("  ".join(column.heading for column in columns))
        wide = self._output == "wide"
        print_text("  ".join(column.show(row, self._now, wide=wide) for column in columns))


def _widths(
    columns: Sequence[Column], texts: Sequence[Sequence[str]], room: int | None
) -> list[int]:
    """Return the width of each column; with little room, what may be cut gives way, the widest first."""
    widths = [
        max([len(column.heading), *(_cells(row[at]) for row in texts)])
        for at, column in enumerate(columns)
    ]
    if room is None:
        return widths
    able = [at for at, column in enumerate(columns) if column.cuts]
    while sum(widths) + _GAP * (len(widths) - 1) > room and able:
        widest = max(able, key=lambda at: widths[at])
        if widths[widest] <= _MIN_WIDTH:
            break
        widths[widest] -= 1
    return widths


def _cells(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


def as_json(value: Any, indent: int = 0) -> str:
    """Return a value as JSON; with ``indent``, on several lines."""
    encoded = msgspec.json.encode(value, enc_hook=str)
    return (msgspec.json.format(encoded, indent=indent) if indent else encoded).decode()


def _yaml(value: Any) -> str:
    import yaml

    # The standard library reads numbers that are out of range; msgspec refuses them.
    plain = json.loads(msgspec.json.encode(value, enc_hook=str))
    # On a terminal all but ASCII is escaped, as YAML does it.
    shows_all = not sys.stdout.isatty()
    return str(
        yaml.safe_dump(plain, sort_keys=False, allow_unicode=shows_all, width=_PIPE_WIDTH)
    )


def cell(value: Any) -> str:
    """Return a value as text: times to the second, lists with commas, ``-`` for None, else JSON."""
    if isinstance(value, msgspec.Raw) and bytes(value).startswith(b'"'):
        return str(msgspec.json.decode(value))
    if value is None:
        return "-"
    if isinstance(value, list | tuple):
        return ", ".join(map(cell, value)) or "-"
    if isinstance(value, datetime):
        return words.clock(value)
    return str(value) if isinstance(value, str | UUID) else as_json(value)
