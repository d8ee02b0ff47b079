from tests.integration.eventstore.fixtures import database, store, store_url

__all__ = ["database", "store", "store_url"]
