"""Closures: every run that a route started ends in one result event."""
