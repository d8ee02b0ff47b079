"""A prompt, code and a client for the tests of language models."""

from typing import Any

from workflows.adapters.openai.client import OpenAIClient
from workflows.messages.code_generation import InformedPrompt
from workflows.messages.patterns import Pattern
from workflows.settings import OpenAISettings

PROMPT = InformedPrompt(
    text="Write a function that doubles",
    language="python",
    function_name="double",
    patterns=(
        Pattern(
            id="1",
            prompt="Write a function that halves",
            code="def halve(x): return x / 2\n",
            language="python",
            similarity=0.9,
            embedding="lexical/1",
        ),
    ),
)
CODE = "def double(x: int) -> int:\n    return 2 * x\n"
WRONG = f"def double(x):\n    return x * 3  # longer, and wrong: {'x' * 99}\n"


def fenced(code: str) -> str:
    return f"```python\n{code}\n```"


def client(url: str, **settings: Any) -> OpenAIClient:
    return OpenAIClient(
        OpenAISettings(
            **{
                "base_url": url,
                "model": "writer",
                "embedding_model": "embedder",
                "api_key": "key",
                "silence": 30,
                **settings,
            }
        )
    )
