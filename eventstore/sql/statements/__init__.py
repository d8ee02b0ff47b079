"""Statements, one a file."""
