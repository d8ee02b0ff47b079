"""Statements, each with its purpose and binds on top."""
