"""The recipes as an ``LLMGateway``."""

from collections.abc import Sequence

from workflows.adapters.recipes.collections import COLLECTIONS
from workflows.adapters.recipes.numbers import NUMBERS
from workflows.adapters.recipes.recipe import Recipe
from workflows.adapters.recipes.sequences import SEQUENCES
from workflows.adapters.recipes.texts import TEXTS
from workflows.errors import PromptNotServedError
from workflows.messages.code_generation import GeneratedCode, ParsedPrompt

MODEL = "offline-recipes/1"
"""The model name in results; the number changes when a recipe's code changes."""

LIBRARY: tuple[Recipe, ...] = (*NUMBERS, *TEXTS, *SEQUENCES, *COLLECTIONS)


class RecipeGateway:
    """An ``LLMGateway`` that serves the prompts of its library and refuses all others."""

    def __init__(self, library: Sequence[Recipe] = LIBRARY) -> None:
        self._library = library

    async def generate_code(self, prompt: ParsedPrompt) -> GeneratedCode:
        """Return the code of the recipe that the prompt asks for; always the same."""
        recipe = self._choose(prompt)
        values = recipe.read(prompt.text)
        return GeneratedCode(
            code=recipe.write(prompt.function_name, values),
            language="python",
            model=MODEL,
            recipe=recipe.name,
            parameters={name: str(value) for name, value in values.items()},
        )

    def _choose(self, prompt: ParsedPrompt) -> Recipe:
        """Return the recipe with the most matching words, the first of equals."""
        if prompt.language != "python":
            raise PromptNotServedError(f"{MODEL} writes python, not {prompt.language}")
        best = max(self._library, key=lambda recipe: recipe.affinity(prompt.text))
        if best.affinity(prompt.text) == 0:
            served = "; ".join(recipe.serves for recipe in self._library)
            raise PromptNotServedError(
                f"{MODEL} is not a real language model and has no recipe for this prompt. "
                f"It can write Python functions for: {served}"
            )
        return best
