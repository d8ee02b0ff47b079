#!/bin/sh
# Stand-in for the schema tool: prints that it was called, and fails if Postgres or the password is missing.
set -eu
: "${SQL_PASSWORD:?}"
/usr/local/bin/nc -z "$POSTGRES_SEEDS" "$DB_PORT"
echo "stand-in: temporal-sql-tool $*"
