"""The names of the bridge's own streams and subjects, and those of others, which stay as written."""

import pytest
from pydantic import ValidationError

from bridge.jetstream.own_streams import used_streams
from bridge.settings.schema import NatsSettings, Settings, SourceSettings
from bridge.settings.source_settings import DEFAULT_SOURCES
from bridge.settings.sources import from_environment, load

NAMED = NatsSettings.model_validate(
    {
        "prefix": "acme",
        "streams": {"events": "IN", "results": "OUT"},
        "subjects": {"events": "shop.in", "results": "out"},
    }
)


def test_own_names_have_the_prefix_and_those_of_others_do_not() -> None:
    nats = NatsSettings(prefix="acme")
    own = SourceSettings(stream="RESULTS", subject="results.shop.*")
    assert nats.source_stream(own) == "acme-RESULTS"
    assert nats.source_filter(own) == "acme.results.shop.*"
    assert nats.source_topic(own, "acme.results.shop.paid") == "results.shop.paid"
    foreign = SourceSettings(stream="ORDERS", subject="orders.>")
    assert nats.source_stream(foreign) == "ORDERS"
    assert nats.source_filter(foreign) == "orders.>"
    assert nats.source_topic(foreign, "acme.results.x") == "acme.results.x"
    assert nats.source_filter(SourceSettings(stream="ORDERS")) is None


@pytest.mark.parametrize(
    ("topic", "subject"),
    [
        ("events.orders.created", "acme.shop.in.orders.created"),
        ("results.orders.paid", "acme.out.orders.paid"),
        ("deadletters.intake.x", "acme.deadletters.intake.x"),
        ("replay.1.events.orders.created", "acme.replay.1.events.orders.created"),
        ("something.else", "acme.something.else"),
    ],
)
def test_topics_stay_when_subjects_have_other_names(topic: str, subject: str) -> None:
    assert NAMED.subject(topic) == subject
    assert NAMED.topic(subject) == topic


def test_the_default_source_is_the_own_stream_of_events_whatever_its_name() -> None:
    settings = Settings(nats=NAMED)
    assert [source.stream for source in settings.intake.sources] == ["IN"]
    assert not settings.intake.written_sources.named
    assert Settings().intake.written_sources == DEFAULT_SOURCES
    plans = {plan.name: plan.subjects for plan in used_streams(settings)}
    assert [*plans] == ["IN", "OUT", "DEADLETTERS", "REPLAY"]
    assert [*map(NAMED.subject, plans["OUT"])] == ["acme.out.>"]


def test_a_stream_without_a_name_is_not_used() -> None:
    environment = {
        "NTBRIDGE_NATS__STREAMS__REPLAY": "null",
        "NTBRIDGE_NATS__STREAMS__DEAD_LETTERS": "null",
    }
    settings = load([from_environment(environment)]).settings
    assert [plan.name for plan in used_streams(settings)] == ["EVENTS", "RESULTS"]
    assert not settings.nats.is_own(SourceSettings(stream="REPLAY"))


def test_the_older_name_of_the_stream_of_results_is_understood() -> None:
    settings = Settings.model_validate({"relay": {"stream": "OUTCOMES", "window": 10}})
    assert settings.nats.streams.results == "OUTCOMES"
    assert settings.relay.window == 10
    same = {"relay": {"stream": "A"}, "nats": {"prefix": "p", "streams": {"results": "A"}}}
    assert Settings.model_validate(same).nats.stream("x") == "p-x"
    with pytest.raises(ValidationError, match="is the older name of"):
        Settings.model_validate({**same, "relay": {"stream": "B"}})


@pytest.mark.parametrize(
    "names",
    [
        {"streams": {"events": "RESULTS"}},
        {"streams": {"events": "A B"}},
        {"streams": {"results": None}},
        {"subjects": {"events": "results.in"}},
        {"subjects": {"events": "results"}},
        {"subjects": {"events": "a.>"}},
    ],
)
def test_names_that_cannot_be(names: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        NatsSettings.model_validate(names)
