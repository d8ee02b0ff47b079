"""Requests that no browser sends: odd bytes, numbers, times, paths and headers."""

from bridge.console.overview_feed import MAX_FOLLOWERS
from tests.integration.console.conftest import Console, csrf

LONG = "9" * 5000
ZEROS = "0" * 5000
EARLY, LATE = "0001-01-01T00:00:00%2B23:59", "9999-12-31T23:59:59-23:59"
NUL = "a%00b"
PATHS = [
    *(f"/events?{name}={NUL}" for name in ("q", "type", "topic", "source", "subject", "cel")),
    *(
        f"/events?{name}={NUL}"
        for name in ("correlation", "stream", "since", "before", "type=*")
    ),
    *(f"/events?since={each}" for each in (EARLY, LATE, f"{LONG}h", "1e999s", "%EF%BC%91h")),
    *(f"/events?before={each}" for each in (LONG, ZEROS, "-1", "%D9%A1", "1e3")),
    "/events?cel=" + "(" * 8000,
    "/events?cel=" + "!" * 8000 + "true",
    "/events?cel=" + "-" * 8000 + "1",
    "/events?cel=" + "[" * 8000 + "]" * 8000,
    "/events?cel=" + "a." * 8000 + "a",
    "/events?cel=" + "true%26%26" * 2000 + "true",
    f"/live/events?type={NUL}&cel=(",
    f"/dead-letters/of?event={NUL}",
    f"/dead-letters/of?state={NUL}",
    f"/dead-letters/of?stage=intake&code={NUL}&shape={NUL}&route={NUL}",
    *(
        f"/dead-letters/of?stage=intake&code=a&shape=b&after={each}"
        for each in (LONG, ZEROS, NUL, "-1", "9223372036854775808", "%D9%A1")
    ),
    *(f"/dead-letters/of?before={each}" for each in (LONG, ZEROS, NUL, "-1")),
    *(f"/dead-letters/{each}" for each in (LONG, ZEROS, "0", "9223372036854775808", NUL)),
    *(f"/runs?{name}={NUL}" for name in ("state", "route", "workflow", "before")),
    *(f"/runs?before={each}" for each in (EARLY, LATE, LONG, "2026-01-01")),
    *(f"/audit?before={each}" for each in (LONG, ZEROS, NUL, "-1")),
    *(f"/pages/{each}" for each in (NUL, "..%2f..%2fetc", LONG)),
    *(
        f"/static/{each}"
        for each in ("..%2f..%2fapp.py", "%2e%2e/app.py", NUL, LONG, "/etc/passwd", "vendor")
    ),
    *(f"/login?next={each}" for each in (NUL, "//evil.example", "%5cevil", "%0d%0aX:%20y")),
    f"/events/{LONG}",
    f"/replays?{NUL}={NUL}",
    "//events",
    "/events/../routes",
    "/%00",
]


async def test_odd_addresses_are_answered_and_never_a_bug(console: Console) -> None:
    faults: list[str] = []
    async with console.browser() as browser:
        for path in PATHS:
            answer = await browser.get(path)
            location = answer.headers.get("location", "/")
            if answer.status_code >= 500 or "database refused" in answer.text:
                faults.append(f"{answer.status_code} for {path[:80]}: {answer.text[-600:]}")
            if "Traceback" in answer.text or not location.startswith("/"):
                faults.append(f"{location} {path[:80]}")
        assert (await browser.get("/livez")).status_code == 200
    assert faults == []


async def test_a_name_that_is_given_twice_is_refused(console: Console) -> None:
    async with console.browser(peer="192.0.2.7", host="console.example.com") as browser:
        twice = [("X-Forwarded-User", "mallory"), ("X-Forwarded-User", "eve")]
        assert (await browser.get("/audit", headers=twice)).status_code == 400
        assert (await browser.get("/audit", headers=twice[1:])).status_code == 200


async def test_no_more_browsers_follow_the_overview_than_leave_connections_for_pages(
    console: Console,
) -> None:
    parts = console.parts
    following = [parts.feed.following() for _ in range(MAX_FOLLOWERS)]
    for each in following:
        await anext(each)
    async with console.browser() as browser:
        refused = await browser.get("/live/overview")
        assert (refused.status_code, "browsers show" in refused.text) == (503, True)
        assert (await browser.get("/")).status_code == 200
    for each in following:
        await each.aclose()
    assert not parts.feed.is_full


FORMS = (
    *(f"/dead-letters/{each}" for each in ("preview", "redrive", "drop")),
    *("/pauses/pause", "/pauses/resume", "/routes/test", "/pages/none/grant"),
)
FIELDS = ["letter", "after", "stage", "code", "shape", "route", "reason", "event", "topic"]


async def test_odd_forms_are_answered_and_never_a_bug(console: Console) -> None:
    faults: list[str] = []
    async with console.logged_in(console.operator) as browser:
        token = await csrf(browser, "/routes")
        for path in FORMS:
            for value in ("a\0b", LONG, ZEROS, "\ud800", "٣"):
                for fields in (dict.fromkeys(FIELDS, value), {"letter": "1", "reason": value}):
                    body = {"stage": "intake", **fields, "csrf": token}
                    answer = await browser.post(
                        path,
                        content="&".join(f"{name}={_quoted(body[name])}" for name in body),
                        headers={"content-type": "application/x-www-form-urlencoded"},
                    )
                    if answer.status_code >= 500 or "database refused" in answer.text:
                        faults.append(
                            f"{answer.status_code} for {path} {value[:9]!a}: {answer.text[-300:]}"
                        )
    assert faults == []


def _quoted(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "surrogatepass"))
