"""The recipes as an ``LLMGateway``."""

from collections.abc import Sequence
from difflib import get_close_matches

from workflows.adapters.recipes.folder import builtin
from workflows.adapters.recipes.phrases import FRAME_WORDS, Prompt, is_number
from workflows.adapters.recipes.recipe import Recipe, Value
from workflows.errors import PromptNotServedError
from workflows.messages.code_generation import GeneratedCode, ParsedPrompt
from workflows.messages.suites import MODULE as GENERATED

MODEL = "offline-recipes/2"
"""The model name in results; the number changes when a recipe's code changes."""

_CLOSEST = 3
_MAX_SHOWN = 8
"""Words that a refusal names."""
_MAX_READ = 60
"""Words that are looked up for a refusal."""
_SPELLING = 0.8
"""How alike (0 to 1) an unknown word and the word that may be meant must be."""
_MIN_SCORE = 0.2
"""Below it, a prompt shares only words with a recipe that many recipes have."""


class RecipeGateway:
    """An ``LLMGateway`` that serves the prompts of its library and refuses all others.

    Args:
        own: A team's recipes. One with the name of a recipe that ships replaces it.
    """

    def __init__(self, own: Sequence[Recipe] = ()) -> None:
        recipes = {recipe.name: recipe for recipe in (*builtin(), *own)}
        self._library = tuple(recipes.values())

    async def generate_code(self, prompt: ParsedPrompt) -> GeneratedCode:
        """Return the code of the recipe that the prompt asks for; always the same."""
        recipe, values = self._choose(prompt)
        code = recipe.write(prompt.function_name, values)
        function = prompt.function_name or recipe.name
        tests = recipe.write_tests(prompt.function_name, values)
        return GeneratedCode(
            code=code,
            tests=f"from {GENERATED} import {function}\n\n{tests}",
            language="python",
            model=MODEL,
            recipe=recipe.name,
            parameters={name: str(value) for name, value in values.items()},
        )

    def _choose(self, prompt: ParsedPrompt) -> tuple[Recipe, dict[str, Value]]:
        """Return the one recipe that accounts for every word of the prompt."""
        if prompt.language != "python":
            raise PromptNotServedError(f"{MODEL} writes python, not {prompt.language}")
        asked = Prompt(prompt.text, prompt.function_name)
        chosen = []
        for recipe in self._library:
            values = recipe.read(asked)
            if values is not None:
                chosen.append((recipe, values))
        if not chosen:
            raise PromptNotServedError(self._refusal(asked))
        if len(chosen) > 1:
            raise PromptNotServedError(
                f"{MODEL} has more than one recipe for this prompt: "
                + ", ".join(recipe.name for recipe, _ in chosen)
            )
        return chosen[0]

    def _refusal(self, prompt: Prompt) -> str:
        words = tuple(dict.fromkeys(prompt.lower))[:_MAX_READ]
        known = FRAME_WORDS.union(*(recipe.vocabulary for recipe in self._library))
        unknown = [word for word in words if word not in known and not is_number(word)]
        closest = self._closest(words)
        parts = [
            f"{MODEL} is not a real language model, and none of its recipes fits the whole prompt."
        ]
        if unknown:
            parts.append(f"Not understood: {_listed(unknown)}.")
            near = {
                word: get_close_matches(word, known, n=1, cutoff=_SPELLING)
                for word in unknown[:_MAX_SHOWN]
            }
            parts += [
                f"{word!r} may mean {match[0]!r}." for word, match in near.items() if match
            ]
        elif closest:
            parts.append("Its words are known, but not together or not in this order.")
        if closest:
            parts.append(
                "The closest prompts that it serves: "
                + "; ".join(f"{recipe.example!r}" for recipe in closest)
                + "."
            )
        else:
            some = "; ".join(
                recipe.serves for recipe in self._library[:: len(self._library) // 9]
            )
            parts.append(f"It can write {len(self._library)} functions, among them: {some}.")
        parts.append("A language model is set by NTBRIDGE_WORKER_QAGENT__GATEWAY=openai.")
        return " ".join(parts)

    def _closest(self, words: Sequence[str]) -> list[Recipe]:
        """Return the recipes that share the prompt's rarest words, the closest first."""
        vocabularies = [recipe.vocabulary - FRAME_WORDS for recipe in self._library]
        everything = sorted(frozenset().union(*vocabularies))
        meant = {
            match
            for word in words
            if word not in FRAME_WORDS
            for match in (
                [word]
                if word in everything
                else get_close_matches(word, everything, n=1, cutoff=_SPELLING)
            )
        }
        rarity = {
            word: 1 / sum(word in vocabulary for vocabulary in vocabularies) for word in meant
        }
        scores = [
            (sum(rarity[word] for word in meant & vocabulary), recipe)
            for vocabulary, recipe in zip(vocabularies, self._library, strict=True)
        ]
        best = sorted(scores, key=lambda scored: -scored[0])[:_CLOSEST]
        return [recipe for score, recipe in best if score >= _MIN_SCORE]


def _listed(words: Sequence[str]) -> str:
    shown = ", ".join(f"{word[:40]!r}" for word in words[:_MAX_SHOWN])
    return f"{shown} and {len(words) - _MAX_SHOWN} more" if len(words) > _MAX_SHOWN else shown
