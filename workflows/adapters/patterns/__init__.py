"""Remembering accepted code, and finding what is like it."""
