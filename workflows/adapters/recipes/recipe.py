"""A recipe: words that ask for it, parameters read from the prompt, and a template."""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from string import Template
from typing import Protocol

from workflows.errors import PromptNotServedError

Value = int | str | bool


class Parameter(Protocol):
    """A parameter of the function, which the prompt may give."""

    @property
    def name(self) -> str:
        """The placeholder in the template."""

    def read(self, text: str) -> Value:
        """Return the value in the text, or the default.

        Raises:
            PromptNotServedError: The value in the text cannot be used.
        """


@dataclass(frozen=True, kw_only=True)
class NumberParameter:
    """A whole number; it is the first group of ``pattern``."""

    name: str
    pattern: str
    default: int
    least: int
    most: int

    def read(self, text: str) -> int:
        """Return the number; check its bounds."""
        match = re.search(self.pattern, text, re.IGNORECASE)
        if match is None:
            return self.default
        digits = match[1]
        # Check the length first: int() refuses thousands of digits with an unclear message.
        value = int(digits) if len(digits) <= len(str(self.most)) + 1 else self.most + 1
        if not self.least <= value <= self.most:
            raise PromptNotServedError(
                f"{self.name.replace('_', ' ')} must be from {self.least} to {self.most}"
            )
        return value


@dataclass(frozen=True, kw_only=True)
class ChoiceParameter:
    """The value whose pattern is found first in ``options``, else the default."""

    name: str
    options: Mapping[str, Value]
    default: Value

    def read(self, text: str) -> Value:
        """Return the chosen value."""
        for pattern, value in self.options.items():
            if re.search(pattern, text, re.IGNORECASE):
                return value
        return self.default


@dataclass(frozen=True, kw_only=True)
class WordParameter:
    """A word of letters; it is the first group of ``pattern``."""

    name: str
    pattern: str
    default: str

    def read(self, text: str) -> str:
        """Return the word with the prompt's spelling."""
        match = re.search(self.pattern, text, re.IGNORECASE)
        return match[1] if match else self.default


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One function of the library.

    ``asked_for`` is a pattern of the words that ask for it. In the template, ``$function`` is the
    function's name, and the name of each parameter its value as a Python literal.
    """

    name: str
    serves: str
    example: str
    asked_for: str
    template: str
    parameters: tuple[Parameter, ...] = ()

    def affinity(self, text: str) -> int:
        """Return how many characters of the text ask for this recipe; 0 for none."""
        matches = re.finditer(self.asked_for, text, re.IGNORECASE)
        return max((len(match[0]) for match in matches), default=0)

    def read(self, text: str) -> dict[str, Value]:
        """Return the parameters in the text.

        Raises:
            PromptNotServedError: One of them cannot be used.
        """
        return {parameter.name: parameter.read(text) for parameter in self.parameters}

    def write(self, function: str | None, values: Mapping[str, Value]) -> str:
        """Return the source code of a module with the function.

        Values are rendered by ``repr`` and names are identifiers, so no text of a prompt becomes
        code.

        Raises:
            PromptNotServedError: The function's code needs its name for something else.
        """
        literals = {name: repr(value) for name, value in values.items()}
        code = Template(self.template).substitute(literals, function=self.name).lstrip("\n")
        if function is None or function == self.name:
            return code
        if function in _names_in(code):
            raise PromptNotServedError(
                f"the function cannot be called {function!r}: its own code needs that name"
            )
        return Template(self.template).substitute(literals, function=function).lstrip("\n")


def _names_in(code: str) -> set[str]:
    """Return all names that code reads, binds or imports, except its functions' names."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.alias):
            names.add(node.name)
    return names
