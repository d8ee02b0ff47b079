"""History at hand: stored events sent again, in `bridge.history.replay`."""
