"""What the interceptor of the workers counts of an activity's answer."""

from typing import Any

from temporalio.common import MetricCounter, MetricMeter
from temporalio.testing import ActivityEnvironment
from typing_extensions import override

from workflows.messages.code_generation import GeneratedCode
from workflows.messages.usage import Usage
from workflows.worker.measuring import count_usage


class Counter(MetricCounter):
    """Notes what is added."""

    def __init__(self, name: str, noted: list[tuple[str, int, Any]]) -> None:
        self._name = name
        self._noted = noted

    @property
    @override
    def name(self) -> str:
        return self._name

    @property
    @override
    def description(self) -> None:
        return None

    @property
    @override
    def unit(self) -> None:
        return None

    @override
    def add(self, value: int, additional_attributes: Any = None) -> None:
        self._noted.append((self._name, value, dict(additional_attributes or {})))

    @override
    def with_additional_attributes(self, additional_attributes: Any) -> "Counter":
        return self


def counted(result: object) -> list[tuple[str, int, Any]]:
    noted: list[tuple[str, int, Any]] = []
    meter = MetricMeter.noop
    environment = ActivityEnvironment()

    class Meter(type(meter)):  # type: ignore[misc]  # the SDK's own has no public name
        @override
        def create_counter(self, name: str, *_: Any, **__: Any) -> Counter:
            return Counter(name, noted)

    environment.metric_meter = Meter()
    environment.run(count_usage, result)
    return noted


def code(usage: Usage | None) -> GeneratedCode:
    return GeneratedCode(code="x = 1\n", language="python", model="m", usage=usage)


def test_an_answer_of_a_model_is_counted_with_its_tokens() -> None:
    usage = Usage(prompt_tokens=12, completion_tokens=34, finish_reason="stop")
    answers = "language_model_answers_total"
    assert counted(code(usage)) == [
        (answers, 1, {"cached": "false", "finish_reason": "stop"}),
        ("language_model_tokens_total", 12, {"kind": "prompt"}),
        ("language_model_tokens_total", 34, {"kind": "answer"}),
    ]
    stored = usage.model_copy(update={"cached": True})
    assert counted(code(stored)) == [(answers, 1, {"cached": "true", "finish_reason": "stop"})]


def test_an_activity_that_asks_no_model_counts_nothing() -> None:
    assert counted(code(None)) == []
    assert counted(None) == []
