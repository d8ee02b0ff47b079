"""The daemon: where all parts are put together, started and stopped."""
