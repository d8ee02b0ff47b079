"""The reference pipelines, as Temporal workflows."""
