"""What a recipe is: phrases that ask for it, parameters, a template of code, and its tests."""

import ast
import re
from collections.abc import Mapping
from functools import cached_property
from string import Template
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from workflows.adapters.recipes.phrases import Choice, Node, Prompt, is_number, parse
from workflows.errors import PromptNotServedError

Value = int | str | bool
_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class NumberParameter(_Part):
    """A whole number in digits, from ``least`` to ``most``."""

    kind: Literal["number"]
    default: int | None = None
    least: int
    most: int

    def fits(self, words: str) -> bool:
        """Whether words stand for it."""
        return is_number(words)

    def value(self, name: str, words: str) -> int:
        """Return the number.

        Raises:
            PromptNotServedError: When it is out of bounds.
        """
        # Check the length first: int() refuses thousands of digits with an unclear message.
        value = int(words) if len(words) <= len(str(self.most)) + 1 else self.most + 1
        if not self.least <= value <= self.most:
            raise PromptNotServedError(
                f"{name.replace('_', ' ')} must be from {self.least} to {self.most}"
            )
        return value


class ChoiceParameter(_Part):
    """One of several values, each by the words of ``options``, in lower case."""

    kind: Literal["choice"]
    default: bool | int | str | None = None
    options: Mapping[str, bool | int | str] = Field(min_length=1)

    def fits(self, words: str) -> bool:
        """Whether words stand for one of its values."""
        return words in self.options

    def value(self, name: str, words: str) -> Value:
        """Return the value of an option."""
        del name
        return self.options[words.casefold()]


class WordParameter(_Part):
    """A word of at most 20 ASCII letters, as the prompt spells it."""

    kind: Literal["word"]
    default: str | None = None

    def fits(self, words: str) -> bool:
        """Whether words stand for it."""
        return re.fullmatch(r"[a-z]{1,20}", words) is not None

    def value(self, name: str, words: str) -> str:
        """Return the word."""
        del name
        return words


Parameter = Annotated[
    NumberParameter | ChoiceParameter | WordParameter, Field(discriminator="kind")
]


class Recipe(_Part):
    """One function that can be written.

    Attributes:
        name: Also the function's name when the prompt gives none.
        serves: What it does, for people.
        example: A prompt that asks for it.
        prompts: The phrases that ask for it; ``phrases.py`` has their grammar.
        parameters: By name. One without a default must be in every phrase.
        different: Parameters that must have different values.
        code: In it, ``$function`` is the function's name and ``$name`` the value of a parameter
            as a Python literal.
        tests: Test functions for pytest, with the same placeholders. They must assert results.
    """

    name: _Name
    serves: str = Field(min_length=1)
    example: str = Field(min_length=1)
    prompts: tuple[str, ...] = Field(min_length=1, strict=False)
    parameters: Mapping[_Name, Parameter] = Field(default_factory=dict)
    different: tuple[str, ...] = Field(default=(), strict=False)
    code: str
    tests: str

    def read(self, prompt: Prompt) -> dict[str, Value] | None:
        """Return the parameters that a prompt gives, or None if it asks for something else.

        Raises:
            PromptNotServedError: When one of them is missing, out of bounds or not different.
        """
        if not self._takes_words and prompt.has_words_beyond(self.vocabulary):
            return None
        given = prompt.read(self._phrases)
        return None if given is None else self._values(given)

    def write(self, function: str | None, values: Mapping[str, Value]) -> str:
        """Return the source code of a module with the function in it.

        Values are rendered by ``repr`` and names are identifiers, so that nothing that a prompt
        says can become code of its own.

        Raises:
            PromptNotServedError: When the function's name is one that its code needs.
        """
        code = self._filled(self.code, self.name, values)
        if function is None or function == self.name:
            return code
        if function in _names_in(code):
            raise PromptNotServedError(
                f"the function cannot be called {function!r}: its own code needs that name"
            )
        return self._filled(self.code, function, values)

    def write_tests(self, function: str | None, values: Mapping[str, Value]) -> str:
        """Return the source code of its tests, without the import of the function."""
        return self._filled(self.tests, function or self.name, values)

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """Every word that may ask for it."""
        options = [
            option
            for parameter in self.parameters.values()
            if isinstance(parameter, ChoiceParameter)
            for option in parameter.options
        ]
        return self._phrases.vocabulary().union(*(option.split() for option in options))

    @cached_property
    def _takes_words(self) -> bool:
        return any(isinstance(one, WordParameter) for one in self.parameters.values())

    @cached_property
    def _phrases(self) -> Node:
        fits = {name: parameter.fits for name, parameter in self.parameters.items()}
        return Choice(tuple(parse(phrase, fits) for phrase in self.prompts))

    def _values(self, given: Mapping[str, str]) -> dict[str, Value]:
        values = {
            name: parameter.value(name, given[name])
            if name in given
            else _default(name, parameter)
            for name, parameter in self.parameters.items()
        }
        if len({values[name] for name in self.different}) < len(self.different):
            raise PromptNotServedError(f"{' and '.join(self.different)} must be different")
        return values

    def _filled(self, template: str, function: str, values: Mapping[str, Value]) -> str:
        literals = {name: repr(value) for name, value in values.items()}
        return Template(template).substitute(literals, function=function).strip("\n") + "\n"


def _default(name: str, parameter: Parameter) -> Value:
    if parameter.default is None:
        raise PromptNotServedError(f"the prompt must say the {name.replace('_', ' ')}")
    return parameter.default


def _names_in(code: str) -> set[str]:
    """Return every name that code reads, binds or imports, but for those of its functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.alias):
            names.add(node.name)
    return names
