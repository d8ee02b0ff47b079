"""Builds a release: ``python -m release``, which ``make dist`` runs."""
