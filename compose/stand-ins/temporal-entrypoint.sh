#!/bin/sh
# Stand-in for the server's entry point: the development server, in memory, without its "default" namespace's extras.
echo "stand-in: Temporal's development server, not the server on Postgres ($DB at $POSTGRES_SEEDS is not used)"
exec temporal server start-dev --ip 0.0.0.0 --headless --log-level warn
