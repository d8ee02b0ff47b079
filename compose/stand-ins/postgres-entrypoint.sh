#!/bin/bash
# Stand-in for the Postgres image's entry point: POSTGRES_USER, POSTGRES_PASSWORD(_FILE), POSTGRES_DB, POSTGRES_INITDB_ARGS,
# PGDATA and /docker-entrypoint-initdb.d, with the same meaning.
set -euo pipefail

if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA"
  chown -R postgres:postgres /var/lib/postgresql
  chmod 700 "$PGDATA"
  exec setpriv --reuid=postgres --regid=postgres --clear-groups "$0" "$@"
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  export POSTGRES_USER=${POSTGRES_USER:-postgres}
  password=${POSTGRES_PASSWORD:-$(cat "${POSTGRES_PASSWORD_FILE:?}")}
  # shellcheck disable=SC2086 # several arguments
  initdb -D "$PGDATA" -U "$POSTGRES_USER" --pwfile=<(printf '%s\n' "$password") ${POSTGRES_INITDB_ARGS:-}
  echo "listen_addresses = '*'" >> "$PGDATA/postgresql.conf"
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
  pg_ctl -D "$PGDATA" -o "-c listen_addresses=" -w start
  database=${POSTGRES_DB:-$POSTGRES_USER}
  [ "$database" = postgres ] || createdb -U "$POSTGRES_USER" "$database"
  for file in /docker-entrypoint-initdb.d/*; do
    case $file in
      *.sh) bash "$file" ;;
      *.sql) psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$database" -f "$file" ;;
    esac
  done
  pg_ctl -D "$PGDATA" -m fast -w stop
fi
[ "${1#-}" = "$1" ] || set -- postgres "$@"
# The wheel's build has no TLS: `-c ssl=on` and the files make a front that has. Postgres itself then listens on loopback
# only, for health checks.
declare -A ssl=()
kept=() flag=
for each; do
  case $flag$each in
    -cssl*=*) ssl[${each%%=*}]=${each#*=}; unset "kept[-1]" ;;
    *) kept+=("$each") ;;
  esac
  flag=; [ "$each" = -c ] && flag=-c
done
if [ "${ssl[ssl]:-}" = on ]; then
  python3 /usr/local/bin/tls_front.py postgres "$(hostname -i | cut -d ' ' -f 1):5432" 5432 "${ssl[ssl_cert_file]}" "${ssl[ssl_key_file]}" &
  kept+=(-c listen_addresses=localhost)
fi
exec "${kept[@]}"
