"""Login, roles, forms, and what operators do: redrive, drop, with their audit."""

import httpx
import pytest

from bridge.dead_letters.store import DeadLetters, LetterFilter
from bridge.inspect.audit import Audit
from eventstore.database import Database
from eventstore.store import EventStore
from tests.integration.console.conftest import Console, csrf
from tests.support.past import TYPE, died_as_event, recorded


async def planted(database: Database, many: int) -> list[int]:
    """Letters of one failure, whose messages can be decoded now."""
    return [
        await died_as_event(
            database,
            {
                "specversion": "1.0",
                "id": f"order-{number}",
                "source": "/shop",
                "type": TYPE,
                "data": {"total": 12.5},
            },
            f"an older release: field {number}",
        )
        for number in range(many)
    ]


def failure() -> dict[str, str]:
    return {
        "stage": "intake",
        "code": "schema",
        "route": "",
        "shape": "an older release: field …",
    }


async def posted(browser: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    token = await csrf(browser, "/dead-letters")
    if not token:
        token = await csrf(browser, "/routes")
    return await browser.post(
        path, data={"csrf": token, **fields}, headers={"HX-Request": "true"}
    )


async def test_a_group_is_previewed_and_redriven_with_a_reason(
    console: Console, database: Database, store: EventStore
) -> None:
    await planted(database, 3)
    letters, audit = DeadLetters(database), Audit(database)
    async with console.logged_in(console.operator) as browser:
        assert (
            "Preview a redrive"
            in (await browser.get("/dead-letters/of", params=failure())).text
        )
        seen = await posted(browser, "/dead-letters/preview", **failure())
        assert "3 would be redriven" in seen.text
        assert await audit.latest(10) == []
        assert await store.head() == 0

        refused = await posted(browser, "/dead-letters/redrive", **failure(), reason=" ")
        assert refused.status_code == 400
        done = await posted(browser, "/dead-letters/redrive", **failure(), reason="fixed <b>")
        assert "3 redriven, 0 not" in done.text, done.text
        assert await letters.find(LetterFilter(state="open"), 9) == []
        assert (await store.count()) == 3
        [action] = await audit.latest(10)
        assert (action.who, action.via, action.action, action.reason) == (
            "ada",
            "token",
            "redrive",
            "fixed <b>",
        )
        history = await letters.history(1)
        assert history[-1].who == "ada"
        assert "fixed &lt;b&gt;" in (await browser.get("/audit")).text
        again = await posted(browser, "/dead-letters/redrive", **failure(), reason="again")
        assert again.status_code == 409


async def test_one_letter_is_dropped_and_its_page_says_by_whom(
    console: Console, database: Database
) -> None:
    [first, second] = await planted(database, 2)
    async with console.logged_in(console.operator) as browser:
        page = f"/dead-letters/{first}"
        token = await csrf(browser, page)
        answer = await browser.post(
            "/dead-letters/drop", data={"csrf": token, "letter": str(first), "reason": "a test"}
        )
        assert answer.status_code == 303
        text = (await browser.get(page)).text
        assert "dropped" in text
        assert "a test" in text
        assert "Preview a redrive" not in text
    [left] = await DeadLetters(database).find(LetterFilter(state="open"), 9)
    assert left.id == second


async def test_only_an_operator_acts(console: Console, database: Database) -> None:
    [letter] = await planted(database, 1)
    fields = {"letter": str(letter), "reason": "r"}
    paths = [f"/dead-letters/{verb}" for verb in ("redrive", "drop", "preview")]
    async with (
        console.browser() as reader,
        console.logged_in(console.viewer) as viewer,
        console.browser(peer="192.0.2.9") as stranger,
    ):
        assert "log in" in (await reader.get(f"/dead-letters/{letter}")).text
        for path in paths:
            assert (await posted(reader, path, **fields)).status_code == 403
            assert (await posted(viewer, path, **fields)).status_code == 403
            assert (await stranger.post(path, data=fields)).status_code == 401
    assert await Audit(database).latest(9) == []
    assert len(await DeadLetters(database).find(LetterFilter(state="open"), 9)) == 1


WRONG: list[tuple[dict[str, str], dict[str, str], int]] = [
    ({"csrf": "0" * 64}, {}, 403),
    ({"csrf": ""}, {}, 403),
    ({}, {"Origin": "http://evil.example"}, 403),
    ({}, {"Origin": "null"}, 403),
    ({}, {"Sec-Fetch-Site": "cross-site"}, 403),
    ({"letter": "x"}, {}, 400),
    ({"letter": str(2**80)}, {}, 400),
    ({"letter": ""}, {}, 400),
    ({"reason": "x" * 600_000}, {}, 413),
]


async def test_a_form_of_another_site_or_with_wrong_fields_does_nothing(
    console: Console, database: Database
) -> None:
    [letter] = await planted(database, 1)
    async with console.logged_in(console.operator) as browser:
        token = await csrf(browser, f"/dead-letters/{letter}")
        for change, headers, status in WRONG:
            fields = {"csrf": token, "letter": str(letter), "reason": "r", **change}
            answer = await browser.post("/dead-letters/drop", data=fields, headers=headers)
            assert answer.status_code == status, (change, headers)
    assert await Audit(database).latest(9) == []


async def test_a_login_is_asked_of_strangers_and_proxies(console: Console) -> None:
    async with console.browser(host="console.example.com") as foreign:
        answer = await foreign.get("/events?q=1")
        assert answer.status_code == 303
        assert answer.headers["Location"] == "/login?next=%2Fevents%3Fq%3D1"
        assert (await foreign.get("/live/overview")).status_code == 401
        assert (await foreign.get("/static/console.css")).status_code == 200
        assert "Token" in (await foreign.get("/login")).text
    async with console.browser() as browser:
        assert (
            await browser.get("/", headers={"X-Forwarded-For": "192.0.2.1"})
        ).status_code == 303
    async with console.browser(peer="192.0.2.7", host="console.example.com") as proxied:
        text = (await proxied.get("/", headers={"X-Forwarded-User": "eve"})).text
        assert "eve, operator" in text
        text = (await proxied.get("/", headers={"X-Forwarded-User": "<b>mallory"})).text
        assert "&lt;b&gt;mallory, viewer" in text


async def test_a_wrong_token_is_refused_and_a_logout_ends_the_session(console: Console) -> None:
    async with console.browser() as browser:
        form = {"token": "wrong", "csrf": await csrf(browser, "/login")}
        answer = await browser.post("/login", data=form)
        assert answer.status_code == 403
        assert "Set-Cookie" not in answer.headers
    async with console.logged_in(console.operator) as browser:
        assert "ada, operator" in (await browser.get("/")).text
        cookie = browser.cookies["ntbridge_session"]
        token = await csrf(browser, "/")
        assert (await browser.post("/logout", data={"csrf": token})).status_code == 303
        browser.cookies.set("ntbridge_session", cookie, domain="127.0.0.1")
        assert "Reading without a login" in (await browser.get("/")).text


async def test_a_login_leads_to_no_other_site(console: Console) -> None:
    for after in ("https://evil.example", "//evil.example", "/\\evil.example", "javascript:x"):
        async with console.browser() as browser:
            form = {
                "token": console.viewer,
                "csrf": await csrf(browser, "/login"),
                "next": after,
            }
            answer = await browser.post("/login", data=form)
        assert answer.headers["Location"] == "/"
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie


async def test_a_bug_is_said_with_the_headers_of_every_page(
    console: Console, store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = await recorded(store, "order-1")

    async def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(type(console.parts.store), "get", broken)
    browser = console.browser()
    browser._transport.raise_app_exceptions = False  # type: ignore[attr-defined]  # noqa: SLF001 - httpx has no other way
    async with browser:
        answer = await browser.get(f"/events/{event.uid}")
    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
