"""Every recipe that ships does what it says: its code is clean, and its own tests hold."""

import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from workflows.adapters.python_checker import RULES
from workflows.adapters.recipes.folder import builtin, checked
from workflows.adapters.recipes.phrases import Prompt
from workflows.adapters.recipes.recipe import ChoiceParameter, Recipe, Value


def by_name(recipe: Recipe) -> str:
    return recipe.name


def defaults(recipe: Recipe) -> dict[str, Value]:
    values = recipe.read(Prompt(recipe.example))
    assert values is not None
    return values


def variants(recipe: Recipe) -> list[dict[str, Value]]:
    """Return the example's values, and each with another choice."""
    values = defaults(recipe)
    return [values] + [
        {**values, name: value}
        for name, parameter in recipe.parameters.items()
        if isinstance(parameter, ChoiceParameter)
        for value in sorted(set(parameter.options.values()), key=repr)
        if value != values[name]
        and (name not in recipe.different or value not in {values[n] for n in recipe.different})
    ]


@pytest.mark.parametrize("recipe", builtin(), ids=by_name)
def test_its_own_tests_hold(recipe: Recipe) -> None:
    for values in variants(recipe):
        code = recipe.write(None, values)
        namespace: dict[str, Any] = {}
        exec(f"{code}\n\n{recipe.write_tests(None, values)}", namespace)
        tests = [value for name, value in namespace.items() if name.startswith("test_")]
        assert tests
        for test in tests:
            for mark in getattr(test, "pytestmark", []):
                for argument in mark.args[1]:
                    test(argument)
            if not hasattr(test, "pytestmark"):
                test()


def test_the_code_of_all_is_clean(tmp_path: Path) -> None:
    for recipe in builtin():
        code = recipe.write(None, defaults(recipe))
        (tmp_path / f"{recipe.name}.py").write_text(code, encoding="utf-8")
    ruff = f"{sysconfig.get_path('scripts')}/ruff"
    command = [ruff, "check", "--isolated", "--no-cache", "--select", RULES, str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


def test_each_answers_its_own_example_alone() -> None:
    recipes = checked(builtin())
    for recipe in recipes:
        prompt = Prompt(recipe.example)
        answering = [other.name for other in recipes if other.read(prompt) is not None]
        assert answering == [recipe.name]


def test_there_are_enough_recipes() -> None:
    assert len(builtin()) >= 40
