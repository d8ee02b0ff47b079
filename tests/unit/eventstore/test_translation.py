import asyncpg
import pytest

from eventstore import errors
from eventstore.translation import translate


def server_error(sqlstate: str) -> asyncpg.PostgresError:
    return asyncpg.PostgresError.new({"C": sqlstate, "M": "said the server", "S": "ERROR"})


@pytest.mark.parametrize(
    ("sqlstate", "kind"),
    [
        ("EV001", errors.Immutable),
        ("EV002", errors.Deposed),
        ("42P01", errors.NotMigrated),
        ("42883", errors.NotMigrated),
        ("40001", errors.Contended),
        ("40P01", errors.Contended),
        ("57014", errors.Unavailable),
        ("57P01", errors.Unavailable),
        ("08006", errors.Unavailable),
        ("53300", errors.Unavailable),
        ("25P03", errors.Unavailable),
        ("42501", errors.StatementFailed),
        ("23514", errors.StatementFailed),
    ],
)
def test_sqlstates(sqlstate: str, kind: type[errors.EventStoreError]) -> None:
    assert type(translate(server_error(sqlstate), ambiguous=True)) is kind


@pytest.mark.parametrize(("sqlstate", "ambiguous"), [("57P01", True), ("57014", False)])
def test_only_a_server_going_down_may_have_committed(sqlstate: str, *, ambiguous: bool) -> None:
    error = translate(server_error(sqlstate), ambiguous=True)
    assert isinstance(error, errors.Unavailable)
    assert error.ambiguous is ambiguous


@pytest.mark.parametrize(
    "error", [TimeoutError(), ConnectionResetError(), asyncpg.InterfaceError("x")]
)
def test_a_lost_connection_is_ambiguous_if_the_statement_was(error: Exception) -> None:
    for ambiguous in (True, False):
        mine = translate(error, ambiguous=ambiguous)
        assert isinstance(mine, errors.Unavailable)
        assert mine.ambiguous is ambiguous


def test_what_is_not_the_driver_s_passes() -> None:
    error = KeyError("mine")
    assert translate(error, ambiguous=True) is error
