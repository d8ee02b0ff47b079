"""The reference pages of the documentation, made from the code: commands, settings, routes, metrics and spans."""

import ast
import inspect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bridge.routes import loading
from bridge.runtime.metrics import Metric
from bridge.settings.schema import Settings
from bridge.settings.sources import PREFIX
from bridge.telemetry import METRICS, SPANS
from workflows.config import WorkerSettings
from workflows.environment import NESTED, variable_of
from workflows.worker import telemetry as worker_telemetry

_SCHEMA = Path(loading.__file__).with_name("routes.schema.json")


def pages() -> Mapping[str, str]:
    """Return the pages by name."""
    made: dict[str, Callable[[], str]] = {
        "commands": commands,
        "settings": settings,
        "routes": routes,
        "metrics": metrics,
    }
    return {name: make() for name, make in made.items()}


def commands() -> str:
    """Return all commands with their flags."""
    from bridge.cli.main import app  # noqa: PLC0415 - imports the command line
    from bridge.cli.plugins import GROUP  # noqa: PLC0415
    from workflows.worker.cli import app as worker  # noqa: PLC0415

    parts = ["# Commands", app.generate_docs(heading_level=2)]
    for entry in sorted(entry_points(group=GROUP), key=lambda each: each.name):
        plugged = entry.load()
        parts.append(plugged.generate_docs(heading_level=2))
    return "\n\n".join([*parts, worker.generate_docs(heading_level=2)]) + "\n"


@dataclass(frozen=True)
class Setting:
    """One line of a table of settings."""

    key: str
    variable: str
    default: str
    about: str


def settings() -> str:
    """Return all settings of the daemon and of the workers."""
    daemon = list(_settings(Settings, "", lambda key: PREFIX + key.upper().replace(".", "__")))
    worker = list(
        _settings(
            WorkerSettings,
            "",
            lambda key: NESTED.join(
                (variable_of(key.split(".")[0]), *key.upper().split(".")[1:])
            ),
        )
    )
    return (
        "# Settings\n\nThe [README](../../README.md#settings) says from where they are read, and their usual names.\n\n"
        f"## The daemon and its commands\n\n{_table(daemon)}\n\n## `ntbridge-worker`\n\n{_table(worker)}\n"
    )


def _settings(
    model: type[BaseModel], before: str, variable: Callable[[str], str]
) -> Iterator[Setting]:
    about = _docstrings(model)
    for name, field in model.model_fields.items():
        key = f"{before}{name}"
        inner = _model_in(field)
        if inner is not None and isinstance(field.default, BaseModel):
            yield from _settings(inner, f"{key}.", variable)
            continue
        yield Setting(key, variable(key), _default(field), about.get(name, ""))


def _model_in(field: FieldInfo) -> type[BaseModel] | None:
    for kind in (field.annotation, *get_args(field.annotation)):
        if inspect.isclass(kind) and issubclass(kind, BaseModel):
            return kind
    return None


def _docstrings(model: type[BaseModel]) -> Mapping[str, str]:
    """Return the texts below the fields of a class and of its bases."""
    found: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        if not issubclass(kind, BaseModel) or kind.__module__.startswith("pydantic"):
            continue
        (body,) = ast.parse(inspect.cleandoc(f"\n{inspect.getsource(kind)}")).body
        if not isinstance(body, ast.ClassDef):
            continue
        for field, text in zip(body.body, body.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
            ):
                found[field.target.id] = " ".join(str(text.value.value).split())
    return found


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ((), {}, ""):
        return "none"
    return f"`{value}`"


def _table(found: Sequence[Setting]) -> str:
    rows = [
        f"| `{each.key}` | `{each.variable}` | {_cell(each.default)} | {_cell(each.about)} |"
        for each in found
    ]
    return "\n".join(["| setting | variable | default | |", "|---|---|---|---|", *rows])


def routes() -> str:
    """Return the keys of the routes file, from its JSON Schema."""
    schema = json.loads(_SCHEMA.read_text(encoding="utf-8"))
    parts = ["# The routes file", schema.get("description", ""), _keys(schema)]
    for name, each in sorted(schema["$defs"].items()):
        if "properties" in each:
            parts += [f"## {name}", each.get("description", ""), _keys(each)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _keys(schema: Mapping[str, Any]) -> str:
    required = set(schema.get("required", []))
    rows = [
        f"| `{name}` | {_cell(_type(each))} | "
        f"{'required' if name in required else _cell(_shown(each.get('default')))} | "
        f"{_cell(each.get('description', ''))} |"
        for name, each in schema.get("properties", {}).items()
    ]
    return "\n".join(["| key | type | default | |", "|---|---|---|---|", *rows])


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(_type(each) for each in schema[key]))
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    kind = schema.get("type", "any")
    return kind if isinstance(kind, str) else " or ".join(kind)


def _shown(default: object) -> str:
    return "none" if default in (None, [], {}, "") else f"`{json.dumps(default)}`"


def metrics() -> str:
    """Return all metrics and spans."""
    spans = [
        f"| `{each.name}` | {each.kind} | {_cell(each.parent)} | {_cell(each.meaning)} |"
        for each in SPANS
    ]
    return "\n\n".join(
        [
            "# Metrics and spans",
            "## Metrics of the daemon",
            _metrics(METRICS),
            "## Metrics of the workers",
            _metrics(worker_telemetry.METRICS),
            "## Spans",
            "\n".join(["| span | kind | parent | |", "|---|---|---|---|", *spans]),
        ]
    )


def _metrics(found: Sequence[Metric]) -> str:
    rows = [
        f"| `{each.name}` | {each.kind} | {', '.join(f'`{name}`' for name in each.attributes)} | {_cell(each.meaning)} |"
        for each in found
    ]
    return "\n".join(["| metric | kind | attributes | |", "|---|---|---|---|", *rows])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("``", "`")
