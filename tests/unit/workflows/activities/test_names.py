"""Whether code defines what the prompt asks for."""

import pytest

from workflows.activities.names import missing_function


@pytest.mark.parametrize(
    "code",
    [
        "def add(a, b):\n    return a + b\n",
        "async def add(a):\n    return a\n",
        "class add:\n    pass\n",
        "add = lambda a: a\n",
    ],
)
def test_a_name_that_is_defined_is_not_missed(code: str) -> None:
    assert missing_function(code, "add") is None


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("def plus(a):\n    return a\n", "called add, but it defines plus"),
        ("class C:\n    def add(self): ...\n", "called add, but it defines C"),
        ("print(1)\n", "called add, but it defines none"),
    ],
)
def test_a_missing_name_is_told_with_those_that_there_are(code: str, says: str) -> None:
    found = missing_function(code, "add")
    assert found is not None
    assert (found.check, found.style) == ("names", False)
    assert says in found.message
