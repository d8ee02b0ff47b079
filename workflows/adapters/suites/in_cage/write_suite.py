"""Generate tests for the module beside this script, with Hypothesis' ghostwriter.

The ghostwriter's tests of single functions only call them. Here an assertion is added: the result
has the type of the annotation. This imports the module, so it must run in the cage. The tests go to standard output, the module's
output to standard error. Exit code 3: there is no function to test, or none has annotations; the
reason is on standard error.
"""

import ast
import builtins
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from hypothesis.extra import ghostwriter
from typing_extensions import override

NOTHING_TO_TEST = 3

_BOUNDED = "st.integers(min_value=-100, max_value=200)"
"""Replaces unbounded whole numbers: a loop over a huge number would never end."""


def main() -> None:
    """Generate the tests."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.path.insert(0, str(Path.cwd()))
    source = Path("generated.py").read_text(encoding="utf-8")
    module = __import__("generated")
    written, left_out = _write(module, _raised_in(source))
    if not written:
        sys.stderr.write(
            f"no function can be tested: {'; '.join(left_out) or 'there is none'}\n"
        )
        sys.stderr.flush()
        os._exit(NOTHING_TO_TEST)
    answers.write(written)
    answers.close()
    sys.stderr.flush()
    os._exit(0)  # even if the module has started threads


def _write(module: ModuleType, raised: tuple[type[Exception], ...]) -> tuple[str, list[str]]:
    """Return the tests, and the reason for each function without tests."""
    testable, left_out = [], []
    for name, function in vars(module).items():
        if name.startswith("_") or not inspect.isfunction(function):
            continue
        if function.__module__ != module.__name__:
            continue
        try:
            text = ghostwriter.fuzz(function, except_=raised, style="pytest")
        except Exception as error:  # noqa: BLE001 - whatever is odd about one function
            left_out.append(f"{name}: {error}")
            continue
        if "st.nothing()" in text:
            left_out.append(f"{name} has a parameter without a type")
        else:
            testable.append(function)
    if not testable:
        return "", left_out
    text = ghostwriter.magic(*testable, except_=raised, style="pytest")
    if "st.nothing()" in text:
        text = "\n".join(
            ghostwriter.fuzz(function, except_=raised, style="pytest") for function in testable
        )
    return _asserting(text.replace("st.integers()", _BOUNDED), module), left_out


def _asserting(text: str, module: ModuleType) -> str:
    """Add to each call whose result is not looked at an assertion about the result's type."""
    tree = ast.parse(text)
    _Asserting(module).visit(tree)
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


class _Asserting(ast.NodeTransformer):
    def __init__(self, module: ModuleType) -> None:
        self._module = module

    @override
    def visit_Expr(self, node: ast.Expr) -> ast.Expr | list[ast.stmt]:
        call = node.value
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
            return node
        function = getattr(self._module, call.func.attr, None)
        types = _types(function) if inspect.isfunction(function) else ()
        if not types:
            return node
        asserted = f"assert isinstance(result, ({', '.join(types)},))"
        return [
            ast.Assign([ast.Name("result", ast.Store())], call),
            *ast.parse(asserted).body,
        ]


def _types(function: Callable[..., object]) -> tuple[str, ...]:
    """Return the built-in classes of a function's results, by its annotation; () if unknown."""
    try:
        annotated = get_type_hints(function).get("return", Any)
    except Exception:  # noqa: BLE001 - annotations are any code
        return ()
    union = get_origin(annotated) in {Union, UnionType}
    found: list[str] = []
    for each in get_args(annotated) if union else (annotated,):
        kind: Any = get_origin(each) or each
        if kind is NoneType:
            found.append("type(None)")
        elif isinstance(kind, type) and kind in vars(builtins).values():
            # A whole number is a float to type checkers.
            found += ["float", "int"] if kind is float else [kind.__name__]
        else:
            return ()
    return tuple(found)


def _raised_in(source: str) -> tuple[type[Exception], ...]:
    """Return the built-in exceptions that the code raises itself; they do not fail a test."""
    names = {
        raised.id
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Raise) and node.exc is not None
        for raised in [node.exc.func if isinstance(node.exc, ast.Call) else node.exc]
        if isinstance(raised, ast.Name)
    }
    found = [getattr(builtins, name, None) for name in sorted(names)]
    return tuple(
        kind for kind in found if isinstance(kind, type) and issubclass(kind, Exception)
    )


if __name__ == "__main__":
    main()
