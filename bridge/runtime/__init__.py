"""What the daemon and the workers share: metrics, traces, logs, HTTP pages, signals, durations.

The only part of the bridge that workers may import. It imports neither daemon nor workers. Each of
them defines its metrics in one table (`bridge.telemetry`, `workflows.worker.telemetry`).

===================  ====================================================================
standard_streams     standard input, output and error, opened and made safe to write to
durations, strict    the values that settings, routes and flags accept
encryption           the rule about unencrypted connections
secret_files         secrets read from files
temporal_connection  the settings of a connection to Temporal
temporal_config      ``TEMPORAL_…`` and ``temporal.toml``
temporal_client      clients of Temporal, renewed with their certificates
temporal_diagnosis   why Temporal cannot be reached by TLS
tls                  TLS of a client: its context, and its errors in words
codec                the payload codec: what Temporal stores is encrypted
logs, redaction      structlog for our lines and those of libraries; secrets masked
terminal             text of others, escaped for a terminal
metrics              the rows of a table of metrics, and their instruments
providers            OpenTelemetry, set up by the ``OTEL_*`` variables; ``/metrics``
core_metrics         the metrics of Temporal's core, exported with ours
propagation          trace context to and from headers
http, host_header    read-only pages, on loopback by default
findings             the result of a health check, and the page ``/readyz``
signals              SIGINT and SIGTERM
extras               hints for a missing Python package
errors               the errors of this package
===================  ====================================================================
"""
