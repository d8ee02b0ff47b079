"""Checks of what people have paused: warnings, because nothing is lost. Pure."""

from bridge.health.snapshot import PauseState, SourceState, StoreState
from bridge.runtime.findings import Finding


def paused_source(source: SourceState, pause: PauseState) -> Finding:
    """Return the finding on a source that is paused."""
    check = f"source {source.name}"
    if source.problem is not None:
        return Finding(check, "failed", source.problem.what, source.problem.to_do)
    return Finding(
        check,
        "warning",
        f"{source.messages} messages to record; {pause.shown}",
        f"'ntbridge resume source {source.name}' ends the pause",
    )


def paused_routes(store: StoreState) -> list[Finding]:
    """Return a finding for each route that is paused."""
    return [
        Finding(
            f"route {each.name}",
            "warning",
            f"{each.shown}; its dispatches wait, and what comes after them in their lanes",
            f"'ntbridge resume route {each.name}' ends the pause",
        )
        for each in store.pauses
        if each.kind == "route"
    ]
