"""``ntbridge store index``: from a slow search to an index, and back."""

import json

import pytest

from tests.support.cli import ntbridge
from tests.support.daemon import Bridge

pytestmark = pytest.mark.slow


async def test_an_index_is_added_listed_and_dropped(bridge: Bridge) -> None:
    async def index(*arguments: str) -> tuple[int, str, str]:
        done = await ntbridge(
            "store", "index", *arguments, cwd=bridge.folder, env=bridge.environment
        )
        return done.code, done.out, done.err

    assert (await index("ls", "-o", "json"))[:2] == (0, "[]\n")
    code, _, err = await index("add", "subject")
    assert (code, "subject is indexed" in err) == (0, True), err
    code, _, err = await index("add", "subject")
    assert (code, "was indexed before" in err) == (0, True), err
    own = "envelope -> 'extensions' ->> 'orderid'"
    assert (await index("add", own))[0] == 0
    code, out, _ = await index("ls", "-o", "json")
    rows = json.loads(out)
    assert [(row["of"], row["state"]) for row in rows] == [(own, "valid"), ("subject", "valid")]
    code, _, err = await index("add", "nothing")
    assert (code, "'nothing' cannot be indexed" in err) == (1, True), err
    assert "Traceback" not in err
    for what in ("subject", rows[0]["name"]):
        assert (await index("drop", what))[0] == 0
    code, _, err = await index("drop", "subject")
    assert (code, "no added index of subject" in err) == (1, True), err
