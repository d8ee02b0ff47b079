import pytest

from eventstore.statements import Statements


def test_every_statement_says_what_it_is_for_on_its_first_line() -> None:
    statements = Statements("eventstore.sql.statements")
    for name in statements.names():
        assert statements[name].startswith("-- "), name


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(LookupError, match=r"no statement 'apend' in .*append"):
        Statements("eventstore.sql.statements")["apend"]


def test_a_statement_is_read_once() -> None:
    statements = Statements("eventstore.sql.statements")
    assert statements["head"] is statements["head"]
