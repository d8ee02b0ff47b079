"""A language model behind a cache and limits: what is asked, what is not, and what waits."""

from dataclasses import dataclass, field

import pytest

from workflows.adapters.models.calls import Completion
from workflows.adapters.models.governed import EXPECTED_TOKENS, GovernedModel
from workflows.adapters.models.local import WINDOW, Limits, LocalAnswers, LocalWindow
from workflows.errors import GatewayRefusedError, PipelineError, RateLimitedError
from workflows.messages.usage import Usage


@dataclass
class Clock:
    """A time that moves only when somebody sleeps."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Model:
    """Answers with the number of the question."""

    clock: Clock
    tokens: int | None = None
    error: PipelineError | None = None
    asked: list[float] = field(default_factory=list)
    within: list[float | None] = field(default_factory=list)

    async def complete(
        self,
        *,
        system: str,  # noqa: ARG002 - as in the port
        user: str,  # noqa: ARG002
        within: float | None = None,
        fresh: bool = False,  # noqa: ARG002
    ) -> Completion:
        self.asked.append(self.clock.now)
        self.within.append(within)
        if self.error is not None:
            raise self.error
        usage = Usage(prompt_tokens=self.tokens, finish_reason="stop")
        return Completion(f"answer {len(self.asked)}", "m", usage)


def governed(
    model: Model, limits: Limits | None = None, *, lifetime: float = 0, seconds: float = 540
) -> GovernedModel:
    clock = model.clock
    return GovernedModel(
        model,
        answers=LocalAnswers(lifetime, clock) if lifetime else None,
        window=LocalWindow(limits, clock) if limits else None,
        parameters={"model": "m"},
        seconds=seconds,
        sleep=clock.sleep,
    )


async def test_the_same_question_is_asked_once() -> None:
    model = Model(Clock(), tokens=7)
    cached = governed(model, lifetime=100)
    first = await cached.complete(system="s", user="u")
    again = await cached.complete(system="s", user="u")
    assert (first.text, first.usage.cached) == ("answer 1", False)
    assert (again.text, again.usage.cached) == ("answer 1", True)
    assert again.usage.prompt_tokens == 7
    for system, user in (("s", "v"), ("t", "u")):
        await cached.complete(system=system, user=user)
    assert len(model.asked) == 3


async def test_a_fresh_answer_is_asked_for_and_replaces_the_stored_one() -> None:
    model = Model(Clock())
    cached = governed(model, lifetime=100)
    await cached.complete(system="s", user="u")
    assert (await cached.complete(system="s", user="u", fresh=True)).text == "answer 2"
    assert (await cached.complete(system="s", user="u")).text == "answer 2"


async def test_an_answer_is_kept_for_its_lifetime() -> None:
    model = Model(Clock())
    cached = governed(model, lifetime=100)
    await cached.complete(system="s", user="u")
    model.clock.now += 99
    assert (await cached.complete(system="s", user="u")).text == "answer 1"
    model.clock.now += 1
    assert (await cached.complete(system="s", user="u")).text == "answer 2"


async def test_in_no_minute_are_there_more_requests_than_the_limit() -> None:
    model = Model(Clock())
    limited = governed(model, Limits(requests=3))
    for number in range(10):
        await limited.complete(system="s", user=str(number))
        model.clock.now += 1
    for number, moment in enumerate(model.asked[3:]):
        assert moment >= model.asked[number] + WINDOW
    assert model.asked[3] < model.asked[0] + WINDOW * 1.2, "not longer than needed"


async def test_the_wait_counts_into_the_time_of_the_call() -> None:
    model = Model(Clock())
    limited = governed(model, Limits(requests=1), seconds=200)
    await limited.complete(system="s", user="1")
    await limited.complete(system="s", user="2")
    assert model.within[0] == 200
    assert model.within[1] is not None
    assert 200 - WINDOW * 1.2 <= model.within[1] <= 200 - WINDOW


async def test_a_wait_that_would_take_too_long_is_an_error_that_says_how_long() -> None:
    model = Model(Clock())
    limited = governed(model, Limits(requests=1), seconds=60)
    await limited.complete(system="s", user="1")
    with pytest.raises(RateLimitedError, match="REQUESTS_PER_MINUTE") as limit:
        await limited.complete(system="s", user="2")
    assert limit.value.seconds is not None
    assert limit.value.seconds >= WINDOW


async def test_tokens_are_estimated_until_the_server_reports_them() -> None:
    model = Model(Clock(), tokens=10)
    limited = governed(model, Limits(tokens=EXPECTED_TOKENS + 30))
    for number in range(3):  # each alone fills the limit, as estimated
        await limited.complete(system="s", user=str(number))
    assert model.asked == [1000.0] * 3, "the reported tokens leave room"
    model.tokens = 900
    for number in range(3):
        await limited.complete(system="s", user=str(number))
    assert model.asked[4] >= 1000.0 + WINDOW


async def test_a_call_that_alone_exceeds_the_limit_is_made_alone() -> None:
    model = Model(Clock())
    limited = governed(model, Limits(tokens=10))
    await limited.complete(system="s", user="1")
    await limited.complete(system="s", user="2")
    assert model.asked[1] >= model.asked[0] + WINDOW


async def test_the_last_failure_of_server_or_settings_is_known() -> None:
    model = Model(Clock(), error=GatewayRefusedError("wrong key", status=401))
    watched = governed(model)
    with pytest.raises(GatewayRefusedError):
        await watched.complete(system="s", user="u")
    assert str(watched.last_failure) == "wrong key"
    model.error = None
    await watched.complete(system="s", user="u")
    assert watched.last_failure is None


async def test_a_cache_forgets_what_was_used_longest_ago() -> None:
    answers = LocalAnswers(1000, Clock())
    for number in range(200):
        await answers.put(str(number), Completion("x", "m"))
    assert await answers.get("0") is not None
    await answers.put("200", Completion("x", "m"))
    assert await answers.get("0") is not None
    assert await answers.get("1") is None
    await answers.put("large", Completion("x" * 16 * 2**20, "m"))
    assert await answers.get("0") is None, "memory is bounded"
    assert await answers.get("large") is not None
