"""What doctor says of limits that daemons divide."""

from bridge.health.limit_checks import limit_findings


def test_nothing_is_said_where_no_limit_is_held() -> None:
    assert limit_findings({"partition/1": "one", "relay": "two"}) == []


def test_how_many_daemons_divide_a_limit_or_take_turns() -> None:
    (found,) = limit_findings(
        {
            "limit/mail/rate/0": "one",
            "limit/mail/rate/1": "two",
            "limit/mail/rate/requests/0": "one",
            "limit/mail/rate/requests/1": "two",
            "limit/shop/calls/0": "two",
            "limit/shop/calls/requests/0": "one",
            "limit/shop/calls/requests/1": "two",
        }
    )
    assert (found.check, found.state) == ("limits", "ok")
    assert found.detail == (
        "rate of mail: 2 daemons divide it; max_in_flight of shop: 2 daemons take turns"
    )
