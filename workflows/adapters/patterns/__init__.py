"""Stores accepted code and finds similar code."""
