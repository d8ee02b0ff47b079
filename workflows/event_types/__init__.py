"""The event types of the pipelines: the message of each, its JSON Schema, and the reference.

``python -m workflows.event_types`` writes the files that ship: ``bridge/samples/schemas`` and
``docs/events.md``. A test fails when they differ from the messages.
"""
