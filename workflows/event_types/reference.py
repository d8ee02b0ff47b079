"""The reference of the event types, as Markdown."""

from collections.abc import Iterable, Iterator
from typing import Any

from workflows.event_types.schemas import schema_of
from workflows.event_types.table import EventType
from workflows.pipelines.catalogue import PIPELINES

_HEAD = """# Event types

Every event type of the reference pipelines, with the members of its data. This page and the JSON Schemas are made from the code
(`python -m workflows.event_types`). The schemas are in the package (`bridge/samples/schemas/<type>.json`); `ntbridge events schema TYPE` prints one.

- `ntbridge events publish` and `ntbridge pipelines run` check the data of these types before they publish it (`--no-check` of `publish` does not).
- With the sample routes, intake checks it too: an event that violates its schema becomes a dead letter with the reason, code `schema`. For routes of your
  own, copy the schemas that you want into `schemas/` beside the routes file.
- A request with a member that is not listed here is refused. Readers of result events should ignore members that they do not know: a
  later version may add some.
- The bridge's own types, `<type_prefix>.workflow.<status>.v1` (the end of a run) and `<type_prefix>.bridge.dead-lettered.v1` (a dead letter), have
  schemas under the default prefix `dev.ntbridge`.

A member in **bold** is required.
"""


def reference(types: Iterable[EventType]) -> str:
    """Return the page for these types."""
    known = list(types)
    titles = {pipeline.domain: pipeline.name for pipeline in PIPELINES}
    parts = [_HEAD]
    for domain in dict.fromkeys(_domain(each) for each in known):
        of_domain = [each for each in known if _domain(each) == domain]
        parts.append(f"## {titles.get(domain, domain)}\n")
        for heading, published in (("You publish", True), ("It emits", False)):
            shown = [each for each in of_domain if each.is_published is published]
            if shown:
                parts += [f"### {heading}: {titles.get(domain, domain)}\n", *_table(shown)]
    return "\n".join(parts)


def _table(types: Iterable[EventType]) -> Iterator[str]:
    yield "| type | data |\n|---|---|"
    for each in types:
        yield f"| `{each.name}` | {_members(schema_of(each))} |"
    yield ""


def _members(schema: dict[str, Any]) -> str:
    required = schema.get("required", [])
    return ", ".join(
        f"{f'**`{name}`**' if name in required else f'`{name}`'} ({_kind(member, schema)})"
        for name, member in schema["properties"].items()
    )


def _kind(member: dict[str, Any], schema: dict[str, Any]) -> str:
    """Return what a member holds, in a few words."""
    if "$ref" in member:
        name = member["$ref"].rpartition("/")[2]
        return _kind(schema["$defs"][name], schema)
    if "anyOf" in member:
        return " or ".join(dict.fromkeys(_kind(each, schema) for each in member["anyOf"]))
    if "enum" in member:
        return " or ".join(f"`{value}`" for value in member["enum"])
    if "properties" in member:
        return f"object: {', '.join(member['properties'])}"
    kind = member.get("type", "any JSON")
    if kind == "array" and "items" in member:
        return f"list of {_kind(member['items'], schema)}"
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _domain(event_type: EventType) -> str:
    return event_type.name.split(".")[2]
