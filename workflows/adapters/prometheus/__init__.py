"""Monitors services with Prometheus: rules, their validation and their files."""
