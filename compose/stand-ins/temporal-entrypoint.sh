#!/bin/sh
# Stand-in for the server's entry point: the development server, in memory, without its "default" namespace's extras.
echo "stand-in: Temporal's development server, not the server on Postgres ($DB at $POSTGRES_SEEDS is not used)"
if [ -z "${TEMPORAL_TLS_FRONTEND_CERT:-}" ]; then
  exec temporal server start-dev --ip 0.0.0.0 --headless --log-level warn
fi
# The development server has no TLS: a front has.
temporal server start-dev --ip 127.0.0.1 --port 17233 --headless --log-level warn &
exec python3 /usr/local/bin/tls_front.py grpc 0.0.0.0:7233 17233 "$TEMPORAL_TLS_FRONTEND_CERT" "$TEMPORAL_TLS_FRONTEND_KEY"
