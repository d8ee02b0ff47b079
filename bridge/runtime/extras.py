"""Hints for a missing Python package: which extra of the distribution installs it."""

import re
from importlib.metadata import PackageNotFoundError, requires

DISTRIBUTION = "nats-temporal-bridge"

_REQUIREMENT = re.compile(r"^(?P<package>[\w.-]+).*\bextra\s*==\s*['\"](?P<extra>[\w.-]+)['\"]")
_OURS = frozenset({"bridge", "eventstore", "nats_temporal_bridge", "workflows"})
_EXTRAS = ("pipelines", "osv", "otlp", "redis", "embedded")
"""The extras that users install, smallest first."""


def missing_package(error: ModuleNotFoundError) -> str | None:
    """Return a hint for a module that cannot be imported; None if the module is our own."""
    top = (error.name or "").partition(".")[0]
    if not top or top in _OURS:
        return None
    extra = _extra_with(error.name or "")
    if extra is None:
        return f"the Python package {top!r} is missing or incomplete: reinstall {DISTRIBUTION}"
    return (
        f"the Python package {top!r} is not installed: it comes with the extra {extra!r} "
        f"(pip install '{DISTRIBUTION}[{extra}]')"
    )


def _extra_with(module: str) -> str | None:
    """Return the extra that installs a module. Assumes that packages are named like modules."""
    try:
        found = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return None
    parts = module.replace("_", "-").lower().split(".")
    names = {"-".join(parts[:length]) for length in range(1, len(parts) + 1)}
    extras = {
        match["extra"]
        for each in found
        if (match := _REQUIREMENT.match(each)) is not None
        and (
            match["package"].lower() in names
            or match["package"].lower().startswith("-".join(parts) + "-")
        )
    }
    return next((extra for extra in _EXTRAS if extra in extras), None)
