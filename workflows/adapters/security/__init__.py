"""Finds weaknesses in code without running it."""
