"""Builds the language model that the settings name, with its cache and limits."""

from typing import TYPE_CHECKING

from pydantic import SecretStr

from workflows.adapters.models.calls import Answers, RateWindow
from workflows.adapters.models.governed import GovernedModel
from workflows.adapters.models.local import Limits, LocalAnswers, LocalWindow
from workflows.adapters.openai.client import OpenAIClient
from workflows.errors import InvalidSettingError
from workflows.settings import OpenAISettings

if TYPE_CHECKING:  # the package is optional
    from workflows.adapters.redis.server import SharedRedis


def shared_redis(url: SecretStr | None) -> "SharedRedis | None":
    """Return the Redis of the settings; it connects when it is used.

    Raises:
        InvalidSettingError: The Python package is missing, or the address is invalid.
    """
    if url is None:
        return None
    try:
        from workflows.adapters.redis.server import SharedRedis  # noqa: PLC0415 - optional
    except ModuleNotFoundError as error:
        raise InvalidSettingError(
            "REDIS_URL: the Python package 'redis' is not installed: it comes with the extra "
            "'redis' (pip install 'nats-temporal-bridge[redis]')"
        ) from error
    try:
        return SharedRedis(url.get_secret_value())
    except ValueError as error:
        raise InvalidSettingError(f"REDIS_URL: {error}") from None


def language_model(settings: OpenAISettings, redis: "SharedRedis | None") -> GovernedModel:
    """Return the model; ``redis`` shares its cache and its limits among the workers."""
    limits = Limits(settings.requests_per_minute, settings.tokens_per_minute)
    answers: Answers | None = None
    window: RateWindow | None = None
    if settings.cache_seconds > 0:
        local = LocalAnswers(settings.cache_seconds)
        answers = local if redis is None else _shared_answers(redis, settings, local)
    if limits.any:
        own = LocalWindow(limits)
        window = own if redis is None else _shared_window(redis, settings, limits, own)
    return GovernedModel(
        OpenAIClient(settings),
        answers=answers,
        window=window,
        parameters=settings.model_dump(include={"base_url", "model", "max_tokens"}),
        seconds=settings.seconds,
        max_tokens=settings.max_tokens,
    )


def _shared_answers(
    redis: "SharedRedis", settings: OpenAISettings, local: LocalAnswers
) -> Answers:
    from workflows.adapters.redis.answers import SharedAnswers  # noqa: PLC0415 - optional

    return SharedAnswers(redis, settings.cache_seconds, local)


def _shared_window(
    redis: "SharedRedis", settings: OpenAISettings, limits: Limits, local: LocalWindow
) -> RateWindow:
    from workflows.adapters.redis.window import SharedWindow  # noqa: PLC0415 - optional

    return SharedWindow(redis, limits, local, scope=settings.base_url)
