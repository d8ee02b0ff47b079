"""What a process of ours needs in order to be operated: metrics, traces, logs, health over HTTP.

The daemon and the workers stand on it alike; it is the one part of the bridge that workers may
import, and imports nothing of either. What is measured and
what it means is theirs to say, each in one table (`bridge.telemetry`, `workflows.worker.telemetry`).

=============  ==========================================================================
metrics        a table's rows, and the instruments made of them
providers      OpenTelemetry set up by the standard ``OTEL_*`` variables; ``/metrics``
core_metrics   what Temporal's core measures, on the same way out
propagation    trace context in and out of headers
http           a few read-only pages on loopback
logs           structlog for our lines and everybody else's; secrets masked
=============  ==========================================================================
"""
