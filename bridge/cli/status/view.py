"""The overview on one screen of a terminal. Its width decides how much of it is shown."""

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import wrap

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from bridge.cli import words
from bridge.inspect.last_hour import SPAN
from bridge.inspect.overview import Overview
from bridge.runtime.terminal import console, escaped

_WIDE, _PIPE_WIDTH = 120, 160
_BARS = "▁▂▃▄▅▆▇█"
_MAX_LANES, _MAX_FAILURES, _MAX_ROUTES, _MAX_PROBLEMS = 3, 3, 10, 4
_MARKS = {"failed": ("red", "✗"), "warning": ("yellow", "!")}


def show(seen: Overview, *, clear: bool) -> None:
    """Print the overview; ``clear``: at the top of an empty screen, in a terminal."""
    is_terminal = sys.stdout.isatty()
    screen = console(width=None if is_terminal else _PIPE_WIDTH)
    if clear and is_terminal:
        screen.clear()
    for part in parts_of(seen, screen.width):
        screen.print(part, no_wrap=True, overflow="ellipsis")


def parts_of(seen: Overview, width: int) -> Iterator[RenderableType]:
    """Yield the lines and tables of the overview."""
    yield _headline(seen)
    yield from _problems(seen, width)
    if seen.sources:
        yield _sources(seen)
    if rows := _route_rows(seen, width):
        yield _table(("route", "open", "waiting", "done", "dead", "p95", "last hour"), rows)
    yield from _lanes(seen)
    yield from _letters(seen)
    yield _relay(seen)


def _headline(seen: Overview) -> Text:
    daemons = len(seen.leases)
    text = Text()
    text.append(
        "ready" if seen.ready else "NOT READY", "bold green" if seen.ready else "bold red"
    )
    events = sum(each.events for each in seen.events)
    text.append(
        f"   {words.count(daemons, 'daemon')}   {words.count(events, 'event')} in the last hour   "
        f"{words.clock(seen.at)}"
    )
    return text


def _problems(seen: Overview, width: int) -> Iterator[Text]:
    for each in seen.problems[:_MAX_PROBLEMS]:
        style, mark = _MARKS[each.state]
        whole = escaped(f"{mark} {each.check}: {each.detail}")
        for text in wrap(whole, width, subsequent_indent="  ", max_lines=3, placeholder=" …"):
            yield Text(text, style=style)
        if each.to_do:
            yield _line(("dim", f"  → {each.to_do}"))
    left = len(seen.problems) - _MAX_PROBLEMS
    if left > 0:
        yield _line(("yellow", f"  … and {left} more: ntbridge doctor"))


def _sources(seen: Overview) -> Table:
    paused = {each.name for each in seen.pauses if each.kind == "source"}
    return _table(
        ("source", "to record", "oldest", "messages", "state"),
        [
            (
                each.name,
                f"{each.messages:,}",
                words.span(each.seconds) if each.seconds else "-",
                "-" if each.stream is None else f"{each.stream.messages:,}",
                "paused" if each.name in paused else "failed" if each.problem else "ok",
            )
            for each in seen.sources
        ],
    )


def _route_rows(seen: Overview, width: int) -> list[tuple[str, ...]]:
    paused = {each.name for each in seen.pauses if each.kind == "route"}
    pending = {each.route: each for each in seen.pending}
    settled = {each.route: each for each in seen.routes}
    names = [*dict.fromkeys([*paused, *pending, *settled])]
    lines = _by_minute(seen, 60 if width >= _WIDE else 12)
    rows: list[tuple[str, ...]] = []
    for name in names[:_MAX_ROUTES]:
        waits, done = pending.get(name), settled.get(name)
        rows.append(
            (
                f"{name} (paused)" if name in paused else name,
                f"{waits.open:,}{'+' if waits.is_cut else ''}" if waits else "0",
                f"{waits.waiting + waits.queued + waits.gathering:,}" if waits else "0",
                f"{done.done:,}" if done else "0",
                f"{done.dead:,}" if done else "0",
                "-" if done is None or done.p95 is None else words.span(done.p95),
                lines.get(name, ""),
            )
        )
    return rows


def _by_minute(seen: Overview, cells: int) -> Mapping[str, str]:
    """Return the settled dispatches of each route as a line of bars, oldest first."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0] * cells)
    since = seen.at - SPAN
    for each in seen.outcomes:
        at = int((each.minute - since) / SPAN * cells)
        counts[each.route][min(max(at, 0), cells - 1)] += each.dispatches
    return {route: bars(numbers) for route, numbers in counts.items()}


def bars(numbers: Sequence[int]) -> str:
    """Return numbers as a line of bars; nothing is a blank."""
    most = max([*numbers, 1])
    return "".join(
        _BARS[max(0, -(-number * len(_BARS) // most) - 1)] if number else " "
        for number in numbers
    )


def _lanes(seen: Overview) -> Iterator[Text]:
    if not seen.lanes:
        return
    yield _line(("bold", f"{words.count(len(seen.lanes), 'lane')} stuck"))
    for each in seen.lanes[:_MAX_LANES]:
        why = each.waits_for or each.error or "waits for its next attempt"
        yield _line(
            ("yellow", f"  {each.key}"),
            ("", f"{words.count(each.dispatches, 'dispatch')},"),
            ("", f"{words.age(each.since, seen.at)}, route {each.route}: {why}"),
        )
    if len(seen.lanes) > _MAX_LANES:
        yield _line(("dim", "  … more: ntbridge dispatches ls"))


def _letters(seen: Overview) -> Iterator[Text]:
    if not seen.failures:
        return
    total = sum(seen.store.letters.values()) if seen.store else 0
    yield _line(("bold", f"{words.count(total, 'dead letter')} open"))
    for each in seen.failures[:_MAX_FAILURES]:
        by = f" by route {each.route}" if each.route else ""
        yield _line(
            ("red", f"  {each.letters:,} {each.stage} {each.code}{by},"),
            ("", f"last {words.age(each.last, seen.at)}: {each.shape}"),
        )
    if len(seen.failures) > _MAX_FAILURES:
        yield _line(("dim", "  … more: ntbridge dead-letters ls --summary"))


def _relay(seen: Overview) -> Text:
    if seen.store is None:
        return _line(("red", "the tables cannot be read"))
    store = seen.store
    behind = f"{store.relay_positions:,} to publish"
    if store.relay_positions:
        behind += f", oldest {words.span(store.relay_seconds)}"
    held = f", {store.queued:,} queued" if store.queued else ""
    held += f", {store.gathering:,} gathering" if store.gathering else ""
    return _line(
        (
            "",
            f"dispatches: {store.open:,} open, {store.waiting:,} waiting{held}   relay: {behind}",
        )
    )


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for at, heading in enumerate(headings):
        is_number = heading in ("open", "waiting", "done", "dead", "to record", "messages")
        table.add_column(
            heading,
            justify="right" if is_number else "left",
            no_wrap=True,
            overflow="ellipsis",
            ratio=None if at else 1,
        )
    for row in rows:
        table.add_row(*(Text(escaped(text)) for text in row))
    return table


def _line(*parts: tuple[str, str]) -> Text:
    text = Text()
    for style, part in parts:
        text.append(" " if text else "").append(escaped(part), style=style)
    return text
