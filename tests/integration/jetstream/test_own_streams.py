"""`migrate` makes the streams that the settings lead to, or says in a sentence why it cannot."""

from typing import Any

import pytest
from nats.aio.client import Client
from nats.js.api import StreamConfig

from bridge.devstack.addresses import Addresses
from bridge.errors import NotConnected, StreamNotMadeError
from bridge.jetstream.own_streams import (
    declare_consumers,
    declare_streams,
    used_streams,
)
from bridge.settings.schema import Settings
from tests.support.cli import ntbridge
from tests.support.daemon import Bridge


def settings_for(stack: Addresses, prefix: str, **changes: Any) -> Settings:
    return Settings.model_validate(
        {
            "nats": {"url": stack.nats_url, "prefix": prefix, **changes.pop("nats", {})},
            **changes,
        }
    )


async def made(client: Client, settings: Settings) -> list[str]:
    names = await declare_streams(client.jetstream(), settings.nats, used_streams(settings))
    return [name.partition("-")[2] for name in names]


async def test_only_what_is_used_is_made(client: Client, stack: Addresses, prefix: str) -> None:
    guest = settings_for(
        stack,
        prefix,
        intake={"sources": [{"stream": "ORDERS"}, {"stream": "RESULTS"}]},
        relay={"stream": "OUTCOMES"},
    )
    assert await made(client, guest) == ["OUTCOMES", "DEADLETTERS", "REPLAY"]
    assert await made(client, guest) == []
    await client.jetstream().delete_stream(f"{prefix}-OUTCOMES")
    assert await made(client, settings_for(stack, prefix)) == ["EVENTS", "RESULTS"]


@pytest.mark.parametrize(
    ("subject", "stream", "to_do"),
    [
        ("events.>", "EVENTS", "intake.sources"),
        ("events.shop.*", "EVENTS", "intake.sources"),
        ("results.>", "RESULTS", "only the relay may publish"),
        ("deadletters.dispatch.>", "DEADLETTERS", "remove the subjects"),
        ("replay.>", "REPLAY", "nats.prefix"),
    ],
)
async def test_who_holds_the_subjects_is_named(
    client: Client, stack: Addresses, prefix: str, subject: str, stream: str, to_do: str
) -> None:
    owner = f"{prefix}-SHOP"
    await client.jetstream().add_stream(
        StreamConfig(name=owner, subjects=[f"{prefix}.{subject}"])
    )
    with pytest.raises(StreamNotMadeError, match=to_do) as refusal:
        await made(client, settings_for(stack, prefix))
    assert f"{prefix}-{stream}" in str(refusal.value)
    assert f"'{owner}' holds" in str(refusal.value)


async def test_any_other_refusal_is_told_in_the_servers_words(
    client: Client, stack: Addresses, prefix: str
) -> None:
    with pytest.raises(StreamNotMadeError, match="replicas > 1 not supported"):
        await made(client, settings_for(stack, prefix, nats={"replicas": 3}))
    huge = settings_for(stack, prefix, nats={"max_stream_bytes": 2**62})
    with pytest.raises(StreamNotMadeError, match="insufficient storage"):
        await made(client, huge)


async def test_a_server_without_jetstream_is_told(
    client: Client, stack: Addresses, prefix: str
) -> None:
    elsewhere = client.jetstream(prefix="$JS.NOWHERE.API")
    settings = settings_for(stack, prefix)
    with pytest.raises(NotConnected, match="has no JetStream"):
        await declare_streams(elsewhere, settings.nats, used_streams(settings))


@pytest.mark.slow
async def test_the_commands_tell_it_without_a_traceback(bridge: Bridge, client: Client) -> None:
    js = client.jetstream()
    await js.delete_stream(f"{bridge.prefix}-EVENTS")
    await js.add_stream(
        StreamConfig(name=f"{bridge.prefix}-SHOP", subjects=[f"{bridge.prefix}.events.>"])
    )
    for command, code in (("migrate", 1), ("doctor", 4)):
        done = await ntbridge(command, cwd=bridge.folder, env=bridge.environment)
        assert done.code == code, done.err
        assert f"'{bridge.prefix}-SHOP' holds {bridge.prefix}.events.>" in done.out + done.err
        assert "Traceback" not in done.err
    theirs = {
        **bridge.environment,
        "NTBRIDGE_INTAKE__SOURCES": "[{stream: SHOP}]",
    }
    done = await ntbridge("migrate", cwd=bridge.folder, env=theirs)
    assert (done.code, done.rows) == (0, [{"made": "nothing", "name": "all there"}])


async def test_consumers_of_subscribers_are_made_on_the_streams_that_are_used(
    client: Client, stack: Addresses, prefix: str
) -> None:
    settings = settings_for(
        stack, prefix, nats={"subscribers": ["billing"]}, relay={"stream": "OUTCOMES"}
    )
    plans = used_streams(settings)
    js = client.jetstream()
    await declare_streams(js, settings.nats, plans)
    wanted = [f"{prefix}-{stream}/billing" for stream in ("OUTCOMES", "DEADLETTERS", "REPLAY")]
    assert await declare_consumers(js, settings.nats, plans) == wanted
    assert await declare_consumers(js, settings.nats, plans) == []


async def test_a_consumer_that_cannot_be_made_is_named(
    client: Client, stack: Addresses, prefix: str
) -> None:
    settings = settings_for(stack, prefix, nats={"subscribers": ["billing"]})
    js = client.jetstream()
    await declare_streams(js, settings.nats, used_streams(settings))
    await js.delete_stream(f"{prefix}-REPLAY")
    with pytest.raises(
        StreamNotMadeError, match=r"consumer 'billing'.*REPLAY.*stream not found"
    ):
        await declare_consumers(js, settings.nats, used_streams(settings))
