"""The way back: result events from the store to NATS, in `bridge.relay.relay`."""
