"""The streams of one test on a NATS server that others use too."""

import nats


async def delete_streams(nats_url: str, prefix: str) -> None:
    """Delete every stream ``<prefix>-…``, and no other."""
    client = await nats.connect(nats_url, connect_timeout=5)
    try:
        js = client.jetstream()
        for info in await js.streams_info():
            name = info.config.name or ""
            if name.startswith(f"{prefix}-"):
                await js.delete_stream(name)
    finally:
        await client.close()
