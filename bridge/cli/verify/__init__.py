"""`ntbridge verify`: compare NATS, the store, the dispatches and Temporal."""
