"""What is code in a language model's answer."""

import re

_FENCED = re.compile(r"^(`{3,})[^\n`]*\n(.*?)^\1[ \t]*$", re.MULTILINE | re.DOTALL)


def code_in(answer: str) -> str | None:
    """Return the longest fenced block, the whole answer where there is none, None if empty."""
    blocks = [match[2] for match in _FENCED.finditer(answer)]
    if not blocks and "```" in answer:
        # The first fence is there, and the last one is not.
        blocks = [answer.partition("```")[2].partition("\n")[2]]
    code = max(blocks, key=len) if blocks else answer
    return f"{code.strip()}\n" if code.strip() else None
