"""The harness of `make bench`."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType

import pytest
from rich.console import Console

from bridge.devstack.addresses import Addresses
from tests.benchmarks import report
from tests.benchmarks.harness import Comparison, Context, Row, alternate, discover, rows_of

ROW = Row(name="some.thing", ours=1234.0, reference=2.5, ratio=0.5, unit="events/s", pairs=5)
CONTEXT = Context(
    Addresses(nats_url="", temporal_address="", temporal_ui_url="", database_url="")
)


async def test_both_are_measured_by_turns_after_a_warm_up() -> None:
    turns: list[str] = []

    async def ours() -> float:
        turns.append("o")
        return float(len(turns))

    async def reference() -> float:
        turns.append("r")
        return 1.0

    comparison = await alternate(ours, reference, pairs=3)
    assert "".join(turns) == "or" + "or" + "ro" + "or"
    assert comparison == Comparison(ours=(3.0, 6.0, 7.0), reference=(1.0, 1.0, 1.0))


def test_the_ratio_is_the_median_of_the_pairs() -> None:
    row = Comparison(ours=(10.0, 4.0, 6.0), reference=(5.0, 4.0, 2.0)).row("x", unit="ms")
    assert (row.ours, row.reference, row.ratio, row.pairs) == (6.0, 4.0, 2.0, 3)


async def test_rows_come_from_generators_and_from_lists() -> None:
    module = ModuleType("some")

    async def generator(_context: Context) -> AsyncIterator[Row]:
        yield ROW

    async def function(_context: Context) -> list[Row]:
        return [ROW]

    for rows in (generator, function):
        vars(module)["rows"] = rows
        assert [row async for row in rows_of(module, CONTEXT)] == [ROW]


def test_an_unknown_benchmark_is_an_error() -> None:
    with pytest.raises(LookupError, match="no benchmark begins with 'nonsense'; there are"):
        discover("nonsense")


def test_the_results_say_on_what_they_were_measured(tmp_path: Path) -> None:
    report.write(tmp_path / "results.json", [ROW])
    content = json.loads((tmp_path / "results.json").read_text())
    assert content["rows"][0]["name"] == "some.thing"
    assert content["machine"]["cores"] >= 1
    assert set(content["machine"]) == {"cpu", "cores", "memory_gib", "kernel"}
    assert {"python", "nats-server", "temporal", "postgres"} < set(content["versions"])


def test_the_table_has_a_line_for_each_row() -> None:
    console = Console(width=120, record=True, quiet=False, file=None)
    with console.capture() as captured:
        console.print(report.table([ROW]))
    assert "1,234" in captured.get()
    assert "2.50" in captured.get()
