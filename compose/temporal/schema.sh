#!/bin/sh
# Temporal's schema, by the tool of its own admin-tools image; may be run again, and must be after an upgrade. The
# databases themselves were made with Postgres, for the role `temporal` may not make any.
set -eu
SQL_PASSWORD=$(cat /run/secrets/temporal_password)
export SQL_PASSWORD
for pair in temporal:temporal temporal_visibility:visibility; do
  database=${pair%%:*} folder=${pair##*:}
  tool() { temporal-sql-tool --plugin postgres12 --ep "$POSTGRES_SEEDS" -p "$DB_PORT" -u "$POSTGRES_USER" --db "$database" "$@"; }
  # Leaves a schema that is there alone.
  tool setup-schema -v 0.0
  tool update-schema -d "/etc/temporal/schema/postgresql/v12/$folder/versioned"
done
