"""Ten ordinary prompts, and a model that answers them as models do: not always right at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.stand_in_llm import Answer, Exchange, answers_whole, refuses, streams


def fenced(code: str) -> Answer:
    return streams("Here it is:\n```python\n", code, "```\nLet me know if you need more.")


@dataclass(frozen=True)
class Ordinary:
    """A prompt, the model's answers, and what code for it must do.

    The last answer is given again. ``holds`` gets the names that the code defines.
    """

    prompt: str
    code: Sequence[Answer]
    tests: Sequence[Answer]
    holds: Callable[[Mapping[str, Any]], bool]
    rounds: int = 0
    """The versions that go back."""


def asserting(*facts: str) -> Answer:
    body = "\n".join(f"    assert {fact}" for fact in facts)
    return fenced(f"from generated import *\n\n\ndef test_it():\n{body}\n")


SQUARES = "def squares(numbers: list[int]) -> int:\n    return sum(n * n for n in numbers)\n"
VOWELS = "def vowels(text: str) -> int:\n    return sum(c in 'aeiou' for c in text.lower())\n"
MEDIAN = (
    "def median(numbers: list[float]) -> float:\n    ordered = sorted(numbers)\n"
    "    middle = len(ordered) // 2\n    if len(ordered) % 2:\n        return ordered[middle]\n"
    "    return (ordered[middle - 1] + ordered[middle]) / 2\n"
)
CLAMP = (
    "def clamp(value: int, low: int, high: int) -> int:\n"
    "    return max(low, min(value, high))\n"
)
REPEAT = "def repeat(text: str, times: int) -> str:\n    return text * times\n"
INITIALS = (
    "def initials(name: str) -> str:\n    return ''.join(w[0] for w in name.split()).upper()\n"
)
CUBE = "def cube(number: int) -> int:\n    return number**3\n"
HYPOTENUSE = "import math\n\n\ndef hypotenuse(a: float, b: float) -> float:\n    return math.hypot(a, b)\n"
CHUNKS = (
    "def chunks(items: list[int], size: int) -> list[list[int]]:\n"
    "    return [items[i : i + size] for i in range(0, len(items), size)]\n"
)
WRONG = "def easter(year: int) -> int:\n    return year % 19\n"

TEN = (
    Ordinary(
        "Sum the squares of a list of numbers",
        code=[
            streams(
                "<think>Perhaps\n```python\ndef squares(numbers):\n    return 0\n```\nno.</think>",
                f"```python\n{SQUARES}```",
            )
        ],
        tests=[asserting("squares([1, 2, 3]) == 14", "squares([]) == 0")],
        holds=lambda made: made["squares"]([2, 3]) == 13,
    ),
    Ordinary(
        "Count the vowels of a text",
        code=[fenced(f"import os\nimport re\nfrom typing import List\n\n\n{VOWELS}")],
        tests=[asserting("vowels('Banana') == 3", "vowels('') == 0")],
        holds=lambda made: made["vowels"]("Queue") == 4,
    ),
    Ordinary(
        "Compute the median of some numbers",
        code=[fenced(MEDIAN.replace("middle - 1", "middle - 2")), fenced(MEDIAN)],
        tests=[asserting("median([3, 1, 2]) == 2", "median([1, 2, 3, 4]) == 2.5")],
        holds=lambda made: made["median"]([5, 1, 9, 7]) == 6,
        rounds=1,
    ),
    Ordinary(
        "Write a function called clamp that limits a value to a range",
        code=[fenced(CLAMP.replace("clamp", "limit")), fenced(CLAMP)],
        tests=[asserting("clamp(9, 0, 5) == 5", "clamp(-1, 0, 5) == 0")],
        holds=lambda made: made["clamp"](3, 0, 5) == 3,
        rounds=1,
    ),
    Ordinary(
        "Repeat a text some times",
        code=[
            answers_whole({"role": "assistant", "content": f"```python\n{text}```"})
            for text in (REPEAT.replace(") ->", " ->"), REPEAT)
        ],
        tests=[asserting("repeat('ab', 2) == 'abab'", "repeat('x', 0) == ''")],
        holds=lambda made: made["repeat"]("no", 3) == "nonono",
        rounds=1,
    ),
    Ordinary(
        "Give the initials of a name",
        code=[streams(f"```python\n{INITIALS[:40]}", finished="length"), fenced(INITIALS)],
        tests=[asserting("initials('ada lovelace') == 'AL'")],
        holds=lambda made: made["initials"]("grace brewster hopper") == "GBH",
        rounds=1,
    ),
    Ordinary(
        "Raise a number to its third power",
        code=[refuses("429 Too Many Requests", Retry_After="1"), fenced(CUBE)],
        tests=[asserting("cube(2) == 8", "cube(-1) == -1")],
        holds=lambda made: made["cube"](3) == 27,
    ),
    Ordinary(
        "Compute the hypotenuse of a right triangle",
        code=[fenced(HYPOTENUSE.partition("\n\n\n")[2]), fenced(HYPOTENUSE)],
        tests=[asserting("hypotenuse(3, 4) == 5")],
        holds=lambda made: made["hypotenuse"](5, 12) == 13,
        rounds=1,
    ),
    Ordinary(
        "Split a list into parts of a size",
        code=[fenced(CHUNKS)],
        tests=[
            fenced("from generated import *\n\n\ndef test_it():\n    chunks([1], 1)\n"),
            asserting("chunks([1, 2, 3], 2) == [[1, 2], [3]]", "chunks([], 2) == []"),
        ],
        holds=lambda made: made["chunks"]([1, 2], 1) == [[1], [2]],
        rounds=1,
    ),
    Ordinary(
        "Find the day of Easter in a year",
        code=[fenced(WRONG)],
        tests=[asserting("easter(2025) == 110")],
        holds=lambda _: False,
        rounds=3,
    ),
)
"""The last one is beyond this model."""


@dataclass
class OrdinaryModel:
    """Answers each prompt with its next answer."""

    asked: list[Exchange] = field(default_factory=list)
    _given: dict[tuple[str, bool], int] = field(default_factory=dict)

    async def __call__(self, exchange: Exchange) -> None:
        self.asked.append(exchange)
        system, user = (each["content"] for each in exchange.body["messages"])
        tests = system.startswith("You write tests")
        asked = next(each for each in TEN if each.prompt in user)
        answers = asked.tests if tests else asked.code
        number = self._given.get((asked.prompt, tests), 0)
        self._given[asked.prompt, tests] = number + 1
        await answers[min(number, len(answers) - 1)](exchange)
