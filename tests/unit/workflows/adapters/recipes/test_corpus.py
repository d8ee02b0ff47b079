"""Prompts of every kind are served with code that has the property asked for, or refused.

``corpus.txt`` has them, and says how to add one.
"""

from datetime import date
from pathlib import Path
from typing import Any

from workflows.activities.prompts import parse
from workflows.adapters.recipes.gateway import RecipeGateway
from workflows.errors import InvalidPromptError, PromptNotServedError
from workflows.messages.code_generation import CodeGenerationRequest

CORPUS = [
    tuple(line.rsplit(" => ", 1))
    for line in Path(__file__).with_name("corpus.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


async def fault(gateway: RecipeGateway, prompt: str, verdict: str) -> str | None:
    try:
        parsed = parse(CodeGenerationRequest(prompt=prompt))
        generated = await gateway.generate_code(parsed)
    except (PromptNotServedError, InvalidPromptError) as error:
        return None if verdict == "refused" else str(error)
    if verdict == "refused":
        return f"served by {generated.recipe}"
    namespace: dict[str, Any] = {}
    exec(compile(generated.code, "generated.py", "exec"), namespace)
    f = namespace[parsed.function_name or str(generated.recipe)]
    return None if eval(verdict, {"f": f, "date": date}) else generated.code


async def test_every_prompt_is_served_right_or_refused() -> None:
    gateway = RecipeGateway()
    faults = {prompt: await fault(gateway, prompt, verdict) for prompt, verdict in CORPUS}
    assert {prompt: said for prompt, said in faults.items() if said is not None} == {}


def test_the_corpus_is_large_and_has_no_prompt_twice() -> None:
    prompts = [prompt for prompt, _ in CORPUS]
    assert len(set(prompts)) == len(prompts) >= 200
