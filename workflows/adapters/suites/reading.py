"""What the source of tests says about them, without running them."""

import ast
from collections.abc import Iterator

_UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)


def asserts_results(tests: str) -> bool:
    """Whether a test module has an assertion about something that the code under test gave.

    An assertion of a constant is none. Tests that are no Python have none.
    """
    try:
        tree = ast.parse(tests)
    except _UNREADABLE:
        return False
    return any(
        any(isinstance(part, ast.Call | ast.Name) for part in ast.walk(asserted))
        for asserted in _asserted(tree)
    )


def _asserted(tree: ast.AST) -> Iterator[ast.expr]:
    """Give what is asserted, by ``assert`` or by a method such as ``assertEqual``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            yield node.test
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr.startswith("assert")
        ):
            yield from node.args


def estimated_coverage(code: str, tests: str) -> float | None:
    """Return the fraction of the code's statements that its tests can reach; None if unknown.

    The statements of a module run when it is imported. Those of a function or class count if the
    tests use its name, or if other code that counts does.
    """
    try:
        module, names = ast.parse(code), _names(ast.parse(tests))
    except _UNREADABLE:
        return None
    defined = {
        node.name: node
        for node in module.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    reached: set[str] = set()
    for node in module.body:
        if node not in defined.values():
            names |= _names(node)
    while found := (names & defined.keys()) - reached:
        reached |= found
        names = set().union(*(_names(defined[name]) for name in found))
    total = sum(_statements(node) for node in module.body)
    if total == 0:
        return None
    missed = sum(_statements(defined[name]) - 1 for name in defined.keys() - reached)
    return round(1 - missed / total, 4)


def _names(tree: ast.AST) -> set[str]:
    return {
        node.id if isinstance(node, ast.Name) else node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute)
    }


def _statements(tree: ast.AST) -> int:
    return sum(isinstance(node, ast.stmt) for node in ast.walk(tree))
