"""Every recipe's code compiles, passes the checks and does what it says."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.activities.prompts import parse
from workflows.adapters.python_checker import PythonChecker
from workflows.adapters.recipes.gateway import LIBRARY, MODEL, RecipeGateway
from workflows.adapters.recipes.recipe import Recipe
from workflows.errors import PromptNotServedError
from workflows.messages.code_generation import CodeGenerationRequest, GeneratedCode

Function = Callable[..., Any]


async def written(prompt: str) -> GeneratedCode:
    return await RecipeGateway().generate_code(parse(CodeGenerationRequest(prompt=prompt)))


def loaded(generated: GeneratedCode, name: str | None = None) -> Function:
    namespace: dict[str, Any] = {}
    exec(compile(generated.code, "generated.py", "exec"), namespace)
    function: Function = namespace[name or str(generated.recipe)]
    return function


def by_name(recipe: Recipe) -> str:
    return recipe.name


@pytest.mark.parametrize("recipe", LIBRARY, ids=by_name)
async def test_the_code_of_every_example_is_clean(recipe: Recipe) -> None:
    generated = await written(recipe.example)
    assert (generated.recipe, generated.model) == (recipe.name, MODEL)
    report = await PythonChecker().check(generated.code, "python")
    assert report.findings == ()


BEHAVIOUR: list[tuple[str, tuple[Any, ...], Any]] = [
    ("the first n Fibonacci numbers", (7,), [0, 1, 1, 2, 3, 5, 8]),
    ("Fibonacci sequence starting at 1", (6,), [1, 1, 2, 3, 5, 8]),
    ("the factorial of n", (5,), 120),
    ("check whether a number is prime", (91,), False),
    ("is it a prime number?", (97,), True),
    ("all primes up to 20", (), [2, 3, 5, 7, 11, 13, 17, 19]),
    ("sieve of Eratosthenes", (7,), [2, 3, 5, 7]),
    ("sieve of Eratosthenes", (1,), []),
    ("the gcd of two numbers", (12, -18), 6),
    ("fizzbuzz", (5,), ["1", "2", "Fizz", "4", "Buzz"]),
    (
        "FizzBuzz with divisors 2 and 3 and words 'Ding' and 'Dong'",
        (6,),
        ["1", "Ding", "Dong", "Ding", "5", "DingDong"],
    ),
    ("roman numerals", (1994,), "MCMXCIV"),
    ("convert Celsius to Fahrenheit", (100,), 212),
    ("convert Fahrenheit to Celsius", (32,), 0),
    ("is a string a palindrome?", ("Anna",), False),
    ("palindrome, ignoring case and punctuation", ("A man, a plan: Panama",), False),
    ("palindrome, ignoring case and punctuation", ("Never odd, or even!",), True),
    ("reverse the words of a sentence", ("to be  or not",), "not or be to"),
    ("reverse a string", ("abc",), "cba"),
    ("the word frequencies, top 2", ("a b a c a b",), [("a", 3), ("b", 2)]),
    ("Caesar cipher", ("Xyz, abc!",), "Abc, def!"),
    ("Caesar cipher with a shift of 5", ("Hello", -5), "Czggj"),
    ("slugify a title", ("  Déjà vu: it's 2 o'clock ",), "deja-vu-it-s-2-o-clock"),
    ("slugs with underscores", ("A b",), "a_b"),
    ("merge sort", ([3, 1, 2, 1],), [1, 1, 2, 3]),
    ("merge sort, descending", ([3, 1, 2, 1],), [3, 2, 1, 1]),
    ("binary search", ([1, 3, 5, 7], 5), 2),
    ("binary search", ([1, 3, 5, 7], 4), -1),
    ("flatten a nested list", ([1, [2, [3, []], 4], [[5]]],), [1, 2, 3, 4, 5]),
    ("split a list into chunks of size 2", ([1, 2, 3],), [[1, 2], [3]]),
    ("transpose a matrix", ([[1, 2, 3], [4, 5, 6]],), [[1, 4], [2, 5], [3, 6]]),
    ("transpose a matrix", ([],), []),
    ("run-length encoding", ("aab",), [("a", 2), ("b", 1)]),
    ("are they anagrams?", ("Dormitory", "dirty room"), True),
    ("are they anagrams, case-sensitive", ("ab", "Ba"), False),
    ("the moving average", ([1, 2, 3, 4],), [2.0, 3.0]),
    ("rolling average over 2", ([1, 2, 3],), [1.5, 2.5]),
]


@pytest.mark.parametrize(("prompt", "arguments", "result"), BEHAVIOUR)
async def test_the_code_does_what_was_asked(
    prompt: str, arguments: tuple[Any, ...], result: Any
) -> None:
    assert loaded(await written(prompt))(*arguments) == result


async def test_every_recipe_has_an_example_of_its_behaviour() -> None:
    shown = {(await written(prompt)).recipe for prompt, _, _ in BEHAVIOUR}
    assert shown == {recipe.name for recipe in LIBRARY}


async def test_the_function_bears_the_name_that_was_asked_for() -> None:
    generated = await written("Write merge sort in a function called `order`")
    assert loaded(generated, "order")([2, 1]) == [1, 2]


async def test_a_name_that_the_code_itself_needs_is_refused() -> None:
    with pytest.raises(PromptNotServedError, match="needs that name"):
        await written("the factorial of n, in a function called range")


async def test_a_prompt_without_a_recipe_is_told_what_there_is() -> None:
    with pytest.raises(PromptNotServedError) as refused:
        await written("Write a distributed database")
    assert all(recipe.serves in str(refused.value) for recipe in LIBRARY)


async def test_the_same_prompt_gives_the_same_code() -> None:
    assert await written("merge sort") == await written("merge sort")


@given(shift=st.integers(min_value=1, max_value=25))
async def test_a_parameter_in_bounds_is_used(shift: int) -> None:
    generated = await written(f"a caesar cipher with shift {shift}")
    assert generated.parameters == {"shift": str(shift)}
    assert loaded(generated)("a") == chr(ord("a") + shift % 26)


@given(shift=st.one_of(st.just(0), st.integers(min_value=26), st.just(10**5000)))
async def test_a_parameter_out_of_bounds_is_refused(shift: int) -> None:
    digits = "1" + "0" * 5000 if shift == 10**5000 else str(shift)
    with pytest.raises(PromptNotServedError, match="shift must be from 1 to 25"):
        await written(f"a caesar cipher with shift {digits}")


@given(words=st.text(min_size=1, max_size=200), recipe=st.sampled_from(LIBRARY))
def test_whatever_a_prompt_says_the_code_compiles(words: str, recipe: Recipe) -> None:
    try:
        code = recipe.write(None, recipe.read(f"{recipe.example} {words}"))
    except PromptNotServedError:
        return
    compile(code, "generated.py", "exec")


def test_there_are_enough_recipes_to_play_with() -> None:
    assert len(LIBRARY) >= 20
