import traceback

import asyncpg
import pytest

from eventstore import errors
from eventstore.database import address_in
from eventstore.driver_errors import translate, translate_connecting


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
        ("42501", errors.NotAdmitted),
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


@pytest.mark.parametrize(
    ("sqlstate", "kind"),
    [
        ("28P01", errors.NotAdmitted),
        ("28000", errors.NotAdmitted),
        ("3D000", errors.NotAdmitted),
        ("42501", errors.NotAdmitted),
        ("55000", errors.Unavailable),
        ("57P03", errors.Unavailable),
        ("53300", errors.Unavailable),
    ],
)
def test_a_refusal_to_let_us_in_is_no_passing_trouble(
    sqlstate: str, kind: type[errors.EventStoreError]
) -> None:
    assert type(translate_connecting(server_error(sqlstate), "db:5432")) is kind


@pytest.mark.parametrize(
    ("dsn", "address"),
    [
        ("postgresql://me:s3cret@db:5433/x", "db:5433"),
        ("postgresql://db/x?sslmode=disable", "db:5432"),
        ("postgresql://me:s3cret@one:1,two:2/x", "one:1,two:2"),
        ("postgresql://me@[::1]:5433/x", "[::1]:5433"),
        ("postgresql:///x?host=db&port=5433&password=s3cret", "db:5433"),
        ("postgresql:///x", "this machine:5432"),
        ("postgresql://me:s3/cret@db/x", "the given address"),
    ],
)
def test_an_address_is_all_that_is_shown_of_a_connection_string(
    monkeypatch: pytest.MonkeyPatch, dsn: str, address: str
) -> None:
    monkeypatch.delenv("PGHOST", raising=False)
    monkeypatch.delenv("PGPORT", raising=False)
    assert address_in(dsn) == address


SECRET = "s3cret payload"


@pytest.mark.parametrize(
    "error",
    [
        {"C": "23514", "M": "new row violates check constraint", "D": f"Failing row: {SECRET}"},
        {"C": "23505", "M": "duplicate key", "D": f"Key (id)=({SECRET}) exists."},
        {"C": "22P02", "M": f'invalid input syntax for type json: "{SECRET}"'},
        {"C": "22P04", "M": "missing data for column", "W": f"COPY events, line 1: {SECRET}"},
        {"C": "P0001", "M": "refused by a trigger", "D": SECRET},
    ],
)
def test_no_value_of_a_row_is_in_an_error_or_its_traceback(error: dict[str, str]) -> None:
    original = asyncpg.PostgresError.new({**error, "S": "ERROR"})
    with pytest.raises(errors.StatementFailed) as failed:
        raise translate(original, ambiguous=False) from original
    assert failed.value.is_about_values
    assert error["M"][:10] in str(failed.value)
    assert SECRET not in "".join(traceback.format_exception(failed.value))


def test_an_argument_that_cannot_be_encoded_is_named_and_not_shown() -> None:
    original = asyncpg.DataError(
        f"invalid input for query argument $7: {SECRET!r} (expected str, got bytes)"
    )
    with pytest.raises(
        errors.StatementFailed, match=r"argument \$7 .* cannot be encoded"
    ) as failed:
        raise translate(original, ambiguous=False) from original
    assert failed.value.is_about_values
    assert SECRET not in "".join(traceback.format_exception(failed.value))


@pytest.mark.parametrize("sqlstate", ["42601", "XX000", "55000", "0A000"])
def test_what_has_to_be_mended_is_not_about_values(sqlstate: str) -> None:
    error = translate(server_error(sqlstate), ambiguous=False)
    assert isinstance(error, errors.StatementFailed)
    assert not error.is_about_values
