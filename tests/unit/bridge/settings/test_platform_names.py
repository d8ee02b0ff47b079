"""The names that a platform's deployments use are understood, and their origin is known."""

import pytest

from bridge.settings.sources import Loaded, from_environment, load


def loaded(environ: dict[str, str]) -> Loaded:
    return load([from_environment(environ)])


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("temporal-frontend", "temporal-frontend:7233"),
        ("temporal-frontend:7000", "temporal-frontend:7000"),
        ("10.0.0.1", "10.0.0.1:7233"),
        ("[fd00::1]", "[fd00::1]:7233"),
        ("[fd00::1]:7000", "[fd00::1]:7000"),
    ],
)
def test_temporal_host(host: str, address: str) -> None:
    found = loaded({"TEMPORAL_HOST": host})
    assert found.settings.temporal.address == address
    assert found.origins["temporal.address"] == "the environment variable TEMPORAL_HOST"


def test_postgres_url_and_its_login() -> None:
    found = loaded(
        {
            "POSTGRES_URL": "postgresql://db/quantum",
            "POSTGRES_USER": "u",
            "POSTGRES_PASSWORD": "p",
        }
    )
    assert found.settings.database.url == "postgresql://u:p@db/quantum"
    assert found.origins["database.url"] == (
        "the environment variable POSTGRES_URL, with POSTGRES_USER and POSTGRES_PASSWORD"
    )


def test_the_first_names_go_before_the_others() -> None:
    found = loaded(
        {
            "TEMPORAL_HOST": "a",
            "TEMPORAL_ADDRESS": "b:1",
            "POSTGRES_URL": "postgresql://u@a/d",
            "DATABASE_URL": "postgresql://u@b/d",
        }
    )
    assert found.settings.temporal.address == "b:1"
    assert found.settings.database.url == "postgresql://u@b/d"
    assert found.origins["database.url"] == "the environment variable DATABASE_URL"
    own = {"POSTGRES_URL": "postgresql://a/d", "NTBRIDGE_DATABASE__URL": "postgresql://v@c/d"}
    assert loaded(own).settings.database.url == "postgresql://v@c/d"


def test_a_login_alone_is_no_setting() -> None:
    assert loaded({"POSTGRES_USER": "u", "POSTGRES_PASSWORD": "p"}).origins == {}
