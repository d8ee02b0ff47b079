"""Recipes about collections."""

from workflows.adapters.recipes.recipe import ChoiceParameter, NumberParameter, Recipe

_TRANSPOSE = Recipe(
    name="transpose",
    serves="a matrix transposed",
    example="Transpose a matrix",
    asked_for=r"\btranspos\w+\b(?: (?:a |the )?matri(?:x|ces))?",
    template='''
def $function(rows: list[list[int]]) -> list[list[int]]:
    """Return the columns of a matrix as rows; all its rows must be of one length."""
    if any(len(row) != len(rows[0]) for row in rows):
        raise ValueError("the rows must be of one length")
    return [list(column) for column in zip(*rows, strict=True)]
''',
)

_RUN_LENGTHS = Recipe(
    name="run_lengths",
    serves="run-length encoding of a string",
    example="Write a run-length encoding of a string",
    asked_for=r"\brun[- _]?lengths?\b(?: (?:encod\w+|compress\w+))?",
    template='''
def $function(text: str) -> list[tuple[str, int]]:
    """Return the characters of a text, each with how often it stands there in a row."""
    runs: list[tuple[str, int]] = []
    for character in text:
        if runs and runs[-1][0] == character:
            runs[-1] = (character, runs[-1][1] + 1)
        else:
            runs.append((character, 1))
    return runs
''',
)

_ANAGRAMS = Recipe(
    name="are_anagrams",
    serves="whether two texts are anagrams (default: letters alone, in either case)",
    example="Check whether two words are anagrams",
    asked_for=r"\banagrams?\b(?: of each other)?",
    parameters=(
        ChoiceParameter(
            name="strict",
            options={r"\bcase[- ]sensitive\b|\bstrict\b|\bexact\b": True},
            default=False,
        ),
    ),
    template='''
STRICT = $strict


def $function(one: str, other: str) -> bool:
    """Tell whether two texts consist of the same characters."""

    def characters(text: str) -> list[str]:
        if STRICT:
            return sorted(text)
        return sorted(character for character in text.casefold() if character.isalnum())

    return characters(one) == characters(other)
''',
)

_MOVING_AVERAGE = Recipe(
    name="moving_average",
    serves="the moving average of numbers (default: over 3)",
    example="Compute the moving average with a window of 5",
    asked_for=r"\b(?:moving|rolling|running)[- _]averages?\b",
    parameters=(
        NumberParameter(
            name="window",
            pattern=r"\b(?:window(?: size)?(?: of)?|over|last) (\d+)",
            default=3,
            least=1,
            most=1_000_000,
        ),
    ),
    template='''
def $function(numbers: list[int], window: int = $window) -> list[float]:
    """Return the averages of as many numbers in a row as the window is wide."""
    if window < 1:
        raise ValueError("window must be at least 1")
    return [
        sum(numbers[start:start + window]) / window
        for start in range(len(numbers) - window + 1)
    ]
''',
)

COLLECTIONS = (_TRANSPOSE, _RUN_LENGTHS, _ANAGRAMS, _MOVING_AVERAGE)
