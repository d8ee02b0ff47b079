"""``ntbridge pipelines``: what there is to run."""

from dataclasses import asdict

from cyclopts import App

from workflows.catalogue import PIPELINES
from workflows.commands.host import GivenHost, OutputFlag

app = App(name="pipelines", help="Run the reference pipelines.")

COLUMNS = ("name", "event", "summary")


@app.command
def ls(*, output: OutputFlag = None, host: GivenHost) -> None:
    """List the pipelines and the events that begin them.

    Parameters
    ----------
    output:
        How to print them.
    """
    host.printer(output, COLUMNS).all(asdict(pipeline) for pipeline in PIPELINES)
