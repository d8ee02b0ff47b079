"""The recipes of a folder: one TOML file each, named after its function."""

import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from pydantic import ValidationError

from workflows.adapters.recipes.phrases import Prompt
from workflows.adapters.recipes.recipe import Recipe
from workflows.adapters.suites.reading import asserts_results
from workflows.errors import InvalidSettingError, PipelineError

_SUFFIX = ".toml"


@cache
def builtin() -> tuple[Recipe, ...]:
    """Return the recipes that ship, by name."""
    return _read(files("workflows.adapters.recipes").joinpath("library").iterdir())


def of_folder(folder: Path) -> tuple[Recipe, ...]:
    """Return the recipes of a team's own folder, by name.

    Raises:
        InvalidSettingError: When the folder or a recipe cannot be read, or a recipe does not
            answer its own example.
    """
    try:
        return _read(folder.iterdir())
    except OSError as error:
        raise InvalidSettingError(
            f"qagent.recipes: {folder} cannot be read: {error}"
        ) from error


def _read(found: Iterable[Traversable]) -> tuple[Recipe, ...]:
    chosen = sorted((file for file in found if file.name.endswith(_SUFFIX)), key=_name)
    return tuple(_recipe(file) for file in chosen)


def _name(file: Traversable) -> str:
    return file.name


def _recipe(file: Traversable) -> Recipe:
    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
        return Recipe.model_validate({"name": file.name.removesuffix(_SUFFIX), **settings})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSettingError(f"recipe {file}: {error}") from error
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
            for fault in error.errors()
        )
        raise InvalidSettingError(f"recipe {file}: {faults}") from error


def checked(recipes: Iterable[Recipe]) -> tuple[Recipe, ...]:
    """Return recipes after each has answered its own example.

    Raises:
        InvalidSettingError: When one does not, or its code or tests are no Python.
    """
    recipes = tuple(recipes)
    for recipe in recipes:
        try:
            _check(recipe)
        except (PipelineError, SyntaxError, KeyError, ValueError) as error:
            raise InvalidSettingError(f"recipe {recipe.name}: {error}") from error
    return recipes


def _check(recipe: Recipe) -> None:
    values = recipe.read(Prompt(recipe.example))
    if values is None:
        raise InvalidSettingError(f"none of its prompts fits its example {recipe.example!r}")
    compile(recipe.write(None, values), f"{recipe.name}.py", "exec")
    tests = recipe.write_tests(None, values)
    compile(tests, f"test_{recipe.name}.py", "exec")
    if not asserts_results(tests):
        raise InvalidSettingError("its tests assert no result of the function")
