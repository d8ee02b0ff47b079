"""Watching services with Prometheus: the rules, whether they are valid, and where they lie."""
