"""Changed versions of code, which good tests notice.

The first makes every function return None: only tests that look at results fail. The others swap
one operator each. Code without results and operators gets one version whose functions do nothing.
"""

import ast
from collections.abc import Iterator

from typing_extensions import override

_SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.And: ast.Or,
    ast.Or: ast.And,
}


def mutants(code: str, limit: int) -> Iterator[str]:
    """Give at most ``limit`` changed versions of code that compiles, each with one change."""
    returning = _WithoutResults()
    tree = returning.visit(ast.parse(code))
    if returning.changed and limit > 0:
        limit -= 1
        yield ast.unparse(ast.fix_missing_locations(tree))
    places = _places(ast.parse(code))
    if not returning.changed and places == 0 and limit > 0:
        emptying = _WithoutBodies()
        tree = emptying.visit(ast.parse(code))
        if emptying.changed:
            yield ast.unparse(ast.fix_missing_locations(tree))
    for place in range(0, places, max(places // max(limit, 1), 1)):
        if limit <= 0:
            return
        limit -= 1
        changed = ast.parse(code)
        _swap(changed, place)
        yield ast.unparse(ast.fix_missing_locations(changed))


class _WithoutResults(ast.NodeTransformer):
    changed = False

    @override
    def visit_Return(self, node: ast.Return) -> ast.Return:
        if node.value is None or (
            isinstance(node.value, ast.Constant) and node.value.value is None
        ):
            return node
        self.changed = True
        return ast.copy_location(ast.Return(value=ast.Constant(value=None)), node)


class _WithoutBodies(ast.NodeTransformer):
    changed = False

    @override
    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.changed = True
        node.body = [ast.Pass()]
        return node

    @override
    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AsyncFunctionDef:
        self.changed = True
        node.body = [ast.Pass()]
        return node


def _places(tree: ast.AST) -> int:
    return sum(type(node) in _SWAPS for node in ast.walk(tree))


def _swap(tree: ast.AST, place: int) -> None:
    """Swap the operator with this number, in the order of ``ast.walk``."""
    at = -1
    for node in ast.walk(tree):
        for field, value in ast.iter_fields(node):
            many = value if isinstance(value, list) else [value]
            for position, operator in enumerate(many):
                if type(operator) not in _SWAPS:
                    continue
                at += 1
                if at == place:
                    swapped = _SWAPS[type(operator)]()
                    if isinstance(value, list):
                        value[position] = swapped
                    else:
                        setattr(node, field, swapped)
                    return
