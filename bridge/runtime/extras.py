"""Packages that only an extra of the distribution brings, and what to say when one is missing."""

import re
from importlib.metadata import PackageNotFoundError, requires

DISTRIBUTION = "nats-temporal-bridge"

_REQUIREMENT = re.compile(r"^(?P<package>[\w.-]+).*\bextra\s*==\s*['\"](?P<extra>[\w.-]+)['\"]")
_OURS = frozenset({"bridge", "eventstore", "workflows"})
_AMONG = ("pipelines", "otlp", "embedded")
"""The extras that users install, the smallest first."""


def missing_package(error: ModuleNotFoundError) -> str | None:
    """Return what to tell a user about a module that cannot be imported; None: it is our fault."""
    top = (error.name or "").partition(".")[0]
    if not top or top in _OURS:
        return None
    extra = _extra_with(error.name or "")
    if extra is None:
        return (
            f"the Python package {top!r} is not installed, or not whole: install "
            f"{DISTRIBUTION} again"
        )
    return (
        f"the Python package {top!r} is not installed: it comes with the extra {extra!r} "
        f"(pip install '{DISTRIBUTION}[{extra}]')"
    )


def _extra_with(module: str) -> str | None:
    """Return the extra that brings a module; distributions are named like their modules."""
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
    return next((extra for extra in _AMONG if extra in extras), None)
