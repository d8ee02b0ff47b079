#!/bin/bash
# Run once, by the Postgres image, when the data folder is new: creates databases and logins. Later no program of
# the stack connects as the superuser.
#   migrator  owns the database ntbridge; runs `ntbridge migrate --roles`
#   bridge    daemons: append and read, by the role ntbridge_app; cannot change recorded events
#   worker    workers: read events, store patterns, by the role ntbridge_worker
#   console   the console: read, redrive, replay and pause, by the role ntbridge_console
#   reader    people and dashboards: read, by the role ntbridge_reader
#   temporal  Temporal's server and its schema tool, in their own databases
set -euo pipefail

# Hexadecimal, so that it needs no quoting; anything else is refused.
secret() {
  local content
  content=$(tr -d '\n' < "/run/secrets/$1")
  [[ $content =~ ^[A-Za-z0-9_-]+$ ]] || { echo "secret $1: letters, digits, - and _ only" >&2; exit 1; }
  printf '%s' "$content"
}
migrator=$(secret migrator_password) bridge=$(secret bridge_password) worker=$(secret worker_password)
console=$(secret console_password) reader=$(secret reader_password) temporal=$(secret temporal_password)

psql --no-psqlrc -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<SQL
CREATE ROLE ntbridge_owner NOLOGIN;
CREATE ROLE ntbridge_app NOLOGIN;
CREATE ROLE ntbridge_worker NOLOGIN;
CREATE ROLE ntbridge_console NOLOGIN;
CREATE ROLE ntbridge_reader NOLOGIN;
-- CREATEROLE, since a later version may need a role more; ntbridge_owner, since the tables are given to it.
CREATE ROLE migrator LOGIN CREATEROLE PASSWORD '$migrator' IN ROLE ntbridge_owner;
CREATE ROLE bridge LOGIN PASSWORD '$bridge' IN ROLE ntbridge_app;
CREATE ROLE worker LOGIN PASSWORD '$worker' IN ROLE ntbridge_worker;
CREATE ROLE console LOGIN PASSWORD '$console' IN ROLE ntbridge_console;
CREATE ROLE reader LOGIN PASSWORD '$reader' IN ROLE ntbridge_reader;
CREATE ROLE temporal LOGIN PASSWORD '$temporal';
CREATE DATABASE ntbridge OWNER migrator;
CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal;
REVOKE CONNECT ON DATABASE ntbridge, temporal, temporal_visibility FROM PUBLIC;
GRANT CONNECT ON DATABASE ntbridge TO ntbridge_app, ntbridge_worker, ntbridge_console, ntbridge_reader;
SQL
