"""Recipes about sequences."""

from workflows.adapters.recipes.recipe import ChoiceParameter, NumberParameter, Recipe

_MERGE_SORT = Recipe(
    name="merge_sort",
    serves="merge sort, ascending or descending",
    example="Implement merge sort in descending order",
    asked_for=r"\bmerge[- _]?sort\b|\bsort\w* (?:a |the )?(?:list|numbers|array)\b",
    parameters=(
        ChoiceParameter(
            name="descending",
            options={r"\bdescending\b|\bin reverse\b|\blargest first\b": True},
            default=False,
        ),
    ),
    template='''
DESCENDING = $descending


def $function(items: list[int]) -> list[int]:
    """Return the items sorted, equal ones in their old order, by merging sorted halves."""
    if len(items) < 2:
        return list(items)
    middle = len(items) // 2
    left, right = $function(items[:middle]), $function(items[middle:])
    merged = []
    at_left = at_right = 0
    while at_left < len(left) and at_right < len(right):
        one, other = left[at_left], right[at_right]
        if (one >= other) if DESCENDING else (one <= other):
            merged.append(one)
            at_left += 1
        else:
            merged.append(other)
            at_right += 1
    return merged + left[at_left:] + right[at_right:]
''',
)

_BINARY_SEARCH = Recipe(
    name="binary_search",
    serves="binary search in a sorted list",
    example="Write a binary search over a sorted list",
    asked_for=r"\bbinary[- _]?search\b",
    template='''
from collections.abc import Sequence


def $function(items: Sequence[int], wanted: int) -> int:
    """Return the index of an item in an ascending sequence, or -1."""
    low, high = 0, len(items) - 1
    while low <= high:
        middle = (low + high) // 2
        if items[middle] == wanted:
            return middle
        if items[middle] < wanted:
            low = middle + 1
        else:
            high = middle - 1
    return -1
''',
)

_FLATTEN = Recipe(
    name="flatten",
    serves="a nested list flattened",
    example="Flatten an arbitrarily nested list",
    asked_for=r"\bflatten\w*\b(?: (?:an? )?(?:\w+ )?nested lists?)?",
    template='''
def $function(nested: list) -> list:
    """Return the items of a list and of all the lists inside it, in order."""
    flat = []
    pending = [iter(nested)]
    while pending:
        for item in pending[-1]:
            if isinstance(item, list):
                pending.append(iter(item))
                break
            flat.append(item)
        else:
            pending.pop()
    return flat
''',
)

_CHUNKS = Recipe(
    name="chunks",
    serves="a list split into chunks (default: of 10)",
    example="Split a list into chunks of size 4",
    asked_for=r"\b(?:into )?(?:chunk|batch)(?:s|es|ed|ing)?(?: of(?: size)?)?\b",
    parameters=(
        NumberParameter(
            name="size",
            pattern=r"\b(?:chunks|batches|size)(?: of)?(?: size)? (\d+)",
            default=10,
            least=1,
            most=1_000_000,
        ),
    ),
    template='''
def $function(items: list, size: int = $size) -> list[list]:
    """Return the items in lists of the given size; the last may be shorter."""
    if size < 1:
        raise ValueError("size must be at least 1")
    return [items[start:start + size] for start in range(0, len(items), size)]
''',
)

SEQUENCES = (_MERGE_SORT, _BINARY_SEARCH, _FLATTEN, _CHUNKS)
