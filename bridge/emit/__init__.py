"""Emit: workflows append result events to the store through an activity."""
