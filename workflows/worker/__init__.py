"""The worker process: what it serves, its sandbox, versions, health and telemetry."""
