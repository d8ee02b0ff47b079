"""Each package draws the tree of its errors in the docstring of its `errors` module."""

import importlib
import inspect
import pkgutil
import re
from types import ModuleType

import pytest

import bridge.errors
import eventstore.errors
import workflows.errors
from bridge.cli.exits import Exit

_LINE = re.compile(r"^    (?P<branches>(?:[│├└ ][ ─]{2} )*)(?P<name>[A-Z]\w+)(?:$|\s)")

Tree = set[tuple[str, str | None]]
"""Each error with the one it is a kind of."""


def drawn(docstring: str) -> Tree:
    tree: Tree = set()
    above: list[str] = []
    for match in filter(None, map(_LINE.match, docstring.splitlines())):
        depth = len(match["branches"]) // 4
        above[depth:] = [match["name"]]
        tree.add((match["name"], above[depth - 1] if depth else None))
    return tree


def defined(package: str) -> Tree:
    """Public exceptions only: the others never leave the module that raises them."""
    names = [package, *(found.name for found in submodules(importlib.import_module(package)))]
    errors = {
        each
        for name in names
        if not name.endswith("__main__")
        for each in vars(importlib.import_module(name)).values()
        if inspect.isclass(each)
        and issubclass(each, Exception)
        and each.__module__.split(".")[0] == package
        and not each.__name__.startswith("_")
        and each is not Exit  # no error: it is how a command ends
    }
    return {
        (
            each.__name__,
            next((base.__name__ for base in each.__bases__ if base in errors), None),
        )
        for each in errors
    }


def submodules(package: ModuleType) -> list[pkgutil.ModuleInfo]:
    return list(pkgutil.walk_packages(package.__path__, f"{package.__name__}."))


@pytest.mark.parametrize("module", [bridge.errors, eventstore.errors, workflows.errors])
def test_the_tree_of_errors_is_drawn_as_it_is(module: ModuleType) -> None:
    assert drawn(module.__doc__ or "") == defined(module.__package__ or "")
