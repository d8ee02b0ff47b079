"""Links to Temporal's web interface. Pure."""

from urllib.parse import quote

from bridge.settings.schema import Settings


def run_link(
    settings: Settings, namespace: str, workflow_id: str, run_id: str | None
) -> str | None:
    """Return the address of a run in Temporal's web interface; None if no interface is set."""
    base, known = settings.console.temporal_ui, settings.temporal.each.get(namespace)
    if base is None or known is None or not workflow_id:
        return None
    path = (
        "namespaces",
        known.namespace,
        "workflows",
        workflow_id,
        *([run_id] if run_id else []),
    )
    return f"{base.rstrip('/')}/{'/'.join(quote(part, safe='') for part in path)}"
