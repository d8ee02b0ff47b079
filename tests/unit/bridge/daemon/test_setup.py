"""Where a login may not register search attributes, as in Temporal Cloud, the setup says how it is done."""

import pytest

from bridge.daemon import setup
from bridge.operations.calls import CallError
from bridge.settings.schema import TemporalSettings
from bridge.temporal import SEARCH_ATTRIBUTES, Gateway, connect
from bridge.temporal.search_attributes import Registered


def answering(monkeypatch: pytest.MonkeyPatch, method: str, answer: object) -> None:
    """Let a call of the gateway return this, or raise it."""

    async def call(_gateway: Gateway) -> object:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(Gateway, method, call)


async def of_cloud() -> Gateway:
    return await connect(
        TemporalSettings(address="ns.acct.tmprl.cloud:7233", namespace="ns.acct", tls=True)
    )


async def test_what_is_missing_is_left_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    there = Registered(missing=("EventUid", "Phase"), mistyped={}, others=frozenset())
    answering(monkeypatch, "search_attributes", there)
    answering(
        monkeypatch, "register_search_attributes", CallError("PERMISSION_DENIED", "not allowed")
    )
    made, missing = await setup._search_attributes(await of_cloud())  # noqa: SLF001
    assert (made, missing) == ((), ("EventUid", "Phase"))
    said = setup.by_hand("ns.acct", missing)
    assert (
        "'tcld namespace search-attributes add --namespace ns.acct "
        "--search-attribute EventUid=Keyword --search-attribute Phase=Keyword'" in said
    )
    assert "--namespace ns.acct --name EventUid --type Keyword --name Phase" in said


async def test_where_none_may_be_listed_all_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, "search_attributes", CallError("UNIMPLEMENTED", "no such service"))
    _, missing = await setup._search_attributes(await of_cloud())  # noqa: SLF001
    assert missing == SEARCH_ATTRIBUTES


async def test_another_failure_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, "search_attributes", CallError("UNAVAILABLE", "away"))
    with pytest.raises(CallError, match="away"):
        await setup._search_attributes(await of_cloud())  # noqa: SLF001


def test_a_missing_namespace_says_how_to_create_it() -> None:
    error = CallError("NOT_FOUND", "Namespace orders is not found.", namespace_missing=True)
    said = setup._with_remedy(error, "orders")  # noqa: SLF001
    assert "temporal operator namespace create -n orders" in said
    assert "tcld namespace create" in said
