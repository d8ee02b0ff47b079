"""The configuration that OpenTofu or Terraform gets for resources: a module call each. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import JsonValue

from workflows.adapters.shared.provider import meant
from workflows.errors import InvalidInputError
from workflows.messages.infra import Resource

KINDS = "kinds"
"""The folder of the modules, beside the configuration."""
MARK = "ntbridge"
"""The output by which a state says which plan was applied to it last."""
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_-]*")


def check(resources: Iterable[Resource], kinds: Iterable[str]) -> None:
    """Check that resources can be module calls.

    Raises:
        InvalidInputError: Lists unknown kinds and names that are no identifiers.
    """
    known = sorted(kinds)
    faults = []
    for resource in resources:
        if not _IDENTIFIER.fullmatch(resource.name):
            faults.append(
                f"{resource.name}: the name of a resource begins with a letter and has no dot"
            )
        if resource.kind not in known:
            hint = meant(resource.kind, known)
            faults.append(f"{resource.name}: unknown kind {resource.kind}{hint}")
    if faults:
        raise InvalidInputError("; ".join(faults))


def configuration(
    resources: Iterable[Resource], *, backend: Mapping[str, Any], mark: str
) -> dict[str, Any]:
    """Return a configuration in JSON syntax.

    Args:
        resources: Their properties become the arguments of their modules, besides ``name``.
        backend: The block of the backend, by its type.
        mark: The value of the output ``MARK``.
    """
    made: dict[str, Any] = {
        "terraform": {"backend": dict(backend)},
        "output": {MARK: {"value": mark}},
    }
    modules = {
        resource.name: {
            **_literal(dict(resource.properties)),
            "source": f"./{KINDS}/{resource.kind}",
            "name": resource.name,
        }
        for resource in resources
    }
    if modules:
        made["module"] = modules
    return made


def _literal(value: JsonValue) -> Any:
    """Escape templates: strings come from events and must not be evaluated."""
    if isinstance(value, str):
        return value.replace("${", "$${").replace("%{", "%%{")
    if isinstance(value, dict):
        return {str(_literal(key)): _literal(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_literal(each) for each in value]
    return value
