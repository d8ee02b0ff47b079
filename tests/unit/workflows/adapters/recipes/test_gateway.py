"""The gateway of the recipes: parameters, names, refusals."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflows.activities.prompts import parse
from workflows.adapters.recipes.folder import builtin, checked, of_folder
from workflows.adapters.recipes.gateway import RecipeGateway
from workflows.errors import InvalidPromptError, InvalidSettingError, PromptNotServedError
from workflows.messages.code_generation import CodeGenerationRequest, GeneratedCode

GATEWAY = RecipeGateway()


async def written(prompt: str, gateway: RecipeGateway = GATEWAY) -> GeneratedCode:
    return await gateway.generate_code(parse(CodeGenerationRequest(prompt=prompt)))


def loaded(generated: GeneratedCode, name: str | None = None) -> Callable[..., Any]:
    namespace: dict[str, Any] = {}
    exec(compile(generated.code, "generated.py", "exec"), namespace)
    function: Callable[..., Any] = namespace[name or str(generated.recipe)]
    return function


async def test_the_function_bears_the_name_that_was_asked_for() -> None:
    generated = await written("Write merge sort in a function called `order`")
    assert loaded(generated, "order")([2, 1]) == [1, 2]


async def test_a_name_that_the_code_itself_needs_is_refused() -> None:
    with pytest.raises(PromptNotServedError, match="needs that name"):
        await written("the factorial of n, in a function called range")


@pytest.mark.parametrize(
    ("prompt", "reasons"),
    [
        ("binary search in Rust", ["Not understood: 'rust'.", "binary search over a sorted"]),
        (
            "Check if it is a palndrome",
            ["'palndrome' may mean 'palindrome'", "palindrome, ign"],
        ),
        ("Reverse a string and sort a list", ["known, but not together", "closest"]),
        ("Convert Celsius to Celsius", ["source and target must be different"]),
        ("Write a distributed database", ["'distributed', 'database'", "It can write"]),
        ("xyzzy " * 2000, ["Not understood: 'xyzzy'."]),
    ],
)
async def test_a_refusal_names_what_was_not_understood(prompt: str, reasons: list[str]) -> None:
    with pytest.raises(PromptNotServedError) as refused:
        await written(prompt)
    assert [reason for reason in reasons if reason not in str(refused.value)] == []


async def test_the_same_prompt_gives_the_same_code() -> None:
    assert await written("merge sort") == await written("merge sort")


@settings(max_examples=10)
@given(shift=st.integers(min_value=1, max_value=25))
async def test_a_parameter_in_bounds_is_used(shift: int) -> None:
    generated = await written(f"a caesar cipher with shift {shift}")
    assert generated.parameters == {"shift": str(shift)}
    assert loaded(generated)("a") == chr(ord("a") + shift % 26)


@settings(max_examples=10)
@given(shift=st.one_of(st.just(0), st.integers(min_value=26), st.just(10**5000)))
async def test_a_parameter_out_of_bounds_is_refused(shift: int) -> None:
    digits = "1" + "0" * 5000 if shift == 10**5000 else str(shift)
    with pytest.raises(PromptNotServedError, match="shift must be from 1 to 25"):
        await written(f"a caesar cipher with shift {digits}")


@settings(max_examples=25)
@given(
    words=st.text(min_size=1, max_size=30).filter(
        lambda words: any(character.isalnum() for character in words)
    ),
    recipe=st.sampled_from(builtin()),
    before=st.booleans(),
)
async def test_a_word_more_is_refused_or_known(
    words: str, recipe: Any, *, before: bool
) -> None:
    prompt = f"{words} {recipe.example}" if before else f"{recipe.example} {words}"
    try:
        generated = await written(prompt)
    except (PromptNotServedError, InvalidPromptError):
        return
    assert generated.recipe == recipe.name
    compile(generated.code, "generated.py", "exec")


OWN = """
serves = "a greeting"
example = "Greet a customer"
prompts = ["(greet|greets) <a> customer [{tone}]"]
code = '''
def $function(name: str) -> str:
    return $tone + name
'''
tests = '''
def test_greeting() -> None:
    assert $function("Ann") == $tone + "Ann"
'''

[parameters.tone]
kind = "choice"
default = "Dear "
options = { "informally" = "Hi " }
"""


async def test_a_team_adds_recipes_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "greeting.toml").write_text(OWN)
    (tmp_path / "notes.txt").write_text("not a recipe")
    gateway = RecipeGateway(checked(of_folder(tmp_path)))
    generated = await written("Write a function that greets a customer informally", gateway)
    assert loaded(generated)("Ann") == "Hi Ann"
    assert (await written("merge sort", gateway)).recipe == "merge_sort"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("serves =", "serve =", "greeting.toml: serves: Field required; serve: Extra"),
        ("serves =", "serves", "greeting.toml: Expected '='"),
        (
            "Greet a customer",
            "Greet a cat",
            "none of its prompts fits its example 'Greet a cat'",
        ),
        ("[{tone}]", "[{tune}]", "unknown {tune}"),
        ("<a> customer", "<an> customer", "unknown <an>"),
        ("[{tone}]", "[{tone}", "does not close"),
        ("[{tone}]", "{tone}]", "not open"),
        ("[{tone}]", "{tone", "outside the grammar"),
        ("return $tone", "return $tune", "tune"),
        ("return $tone", "return $$", "invalid syntax"),
    ],
)
def test_a_recipe_that_cannot_work_is_refused_at_the_start(
    tmp_path: Path, old: str, new: str, reason: str
) -> None:
    (tmp_path / "greeting.toml").write_text(OWN.replace(old, new, 1))
    with pytest.raises(InvalidSettingError) as refused:
        checked(of_folder(tmp_path))
    assert reason in str(refused.value)
    assert "greeting" in str(refused.value)


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettingError, match=r"qagent\.recipes: .*missing"):
        of_folder(tmp_path / "missing")
