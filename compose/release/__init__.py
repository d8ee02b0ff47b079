"""Builds a release: ``python -m compose.release``, which ``make dist`` runs."""
