"""Finds whether code defines the function that its prompt asks for."""

import ast

from workflows.messages.code_generation import CodeFinding

NAMES = "names"


def missing_function(code: str, name: str) -> CodeFinding | None:
    """Return a finding if Python code, which compiles, does not define this name."""
    defined = [
        part.name if not isinstance(part, ast.Name) else part.id
        for node in ast.parse(code).body
        for part in _naming(node)
    ]
    if name in defined:
        return None
    found = f"it defines {', '.join(defined[:10])}" if defined else "it defines none"
    return CodeFinding(
        check=NAMES,
        rule="missing-function",
        message=f"the prompt asks for a function called {name}, but {found}",
    )


_Named = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Name


def _naming(node: ast.stmt) -> list[_Named]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node]
    if isinstance(node, ast.Assign):
        return [target for target in node.targets if isinstance(target, ast.Name)]
    return []
