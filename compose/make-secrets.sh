#!/bin/sh
# Creates the secrets of the compose stack in files below secrets/: random passwords, a certificate authority and the
# servers' certificates. Existing files are not changed. Run it before the first `docker compose up`. Needs openssl 3.
set -eu
cd "$(dirname "$0")"
# On the host only you can enter the folder. The files in it are readable for all: compose mounts them with their modes,
# and the containers' users are neither you nor root.
mkdir -p -m 700 secrets
umask 022

# $1: name of the file; its content comes from standard input.
keep() { [ -s "secrets/$1" ] && return; cat > "secrets/$1.new"; mv "secrets/$1.new" "secrets/$1"; echo "made secrets/$1" >&2; }
password() { keep "$1" <<EOF
$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
EOF
}

for name in postgres_password migrator_password bridge_password worker_password console_password reader_password \
            temporal_password console_token \
            grafana_password nats_migrator_password nats_bridge_password nats_publisher_password nats_approver_password \
            nats_console_password nats_subscriber_password; do
  password "$name"
done

# $1: a server. Its certificate is valid for its name in the stack and for this host, where its port is published.
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 | keep "$1"; }
certificate() {
  [ ! -s "secrets/$1.crt" ] || return 0
  key "$1.key"
  printf 'subjectAltName=DNS:%s,DNS:localhost,IP:127.0.0.1\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n' "$1" > secrets/extensions.new
  openssl req -new -key "secrets/$1.key" -subj "/CN=$1" |
    openssl x509 -req -CA secrets/ca.crt -CAkey secrets/ca.key -days 825 -extfile secrets/extensions.new 2>/dev/null | keep "$1.crt"
  rm secrets/extensions.new
}
[ -s secrets/ca.crt ] || {
  key ca.key
  # Nobody but this script needs it.
  chmod 600 secrets/ca.key
  openssl req -x509 -new -key secrets/ca.key -days 3650 -subj "/CN=ntbridge compose" \
    -addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign | keep ca.crt
}
for name in nats postgres temporal; do
  certificate "$name"
done

# The same passwords in the formats that the programs read.
keep migrator_dsn <<EOF
postgresql://migrator:$(cat secrets/migrator_password)@postgres:5432/ntbridge?sslmode=verify-full&sslrootcert=/run/secrets/ca
EOF
keep bridge_dsn <<EOF
postgresql://bridge:$(cat secrets/bridge_password)@postgres:5432/ntbridge?sslmode=verify-full&sslrootcert=/run/secrets/ca
EOF
keep worker_dsn <<EOF
postgresql://worker:$(cat secrets/worker_password)@postgres:5432/ntbridge?sslmode=verify-full&sslrootcert=/run/secrets/ca
EOF
keep console_dsn <<EOF
postgresql://console:$(cat secrets/console_password)@postgres:5432/ntbridge?sslmode=verify-full&sslrootcert=/run/secrets/ca
EOF
# People who may log in to the console; the token itself is for the person alone.
keep console_tokens.yaml <<EOF
tokens:
  - name: operator
    role: operator
    sha256: $(tr -d '\n' < secrets/console_token | sha256sum | cut -d ' ' -f 1)
EOF
keep nats_console_url <<EOF
tls://console:$(cat secrets/nats_console_password)@nats:4222
EOF
keep nats_migrator_url <<EOF
tls://migrator:$(cat secrets/nats_migrator_password)@nats:4222
EOF
keep nats_bridge_url <<EOF
tls://bridge:$(cat secrets/nats_bridge_password)@nats:4222
EOF
keep nats_users.conf <<EOF
# Each login has only the permissions that it needs.
#   migrator    creates streams, and consumers for subscribers
#   bridge      the daemon, and commands run in its container: reads sources, writes results, dead letters, replays
#   console     reads streams and consumers; publishes results that people redrive, copies of replays, and answers to
#               approvals
#   publisher   publishes domain events, but not those that answer an approval
#   approver    publishes those that answer an approval
#   subscriber  reads the consumer 'subscriber' of RESULTS, REPLAY and DEADLETTERS, which the job 'migrate' creates. It
#               must not create consumers: that permission would also let it change and delete those of others.
# Each login receives answers in its own inboxes, _INBOX_<login>: clients set this inbox prefix.
authorization {
  users = [
    { user: migrator, password: "$(cat secrets/nats_migrator_password)"
      permissions: {
        publish: ["\$JS.API.INFO", "\$JS.API.STREAM.NAMES", "\$JS.API.STREAM.LIST", "\$JS.API.STREAM.INFO.*",
                  "\$JS.API.STREAM.CREATE.*", "\$JS.API.STREAM.UPDATE.*", "\$JS.API.CONSUMER.INFO.*.*",
                  "\$JS.API.CONSUMER.LIST.*", "\$JS.API.CONSUMER.NAMES.*", "\$JS.API.CONSUMER.CREATE.>",
                  "\$JS.API.CONSUMER.DURABLE.CREATE.*.*"]
        subscribe: ["_INBOX_bridge.>"] } }
    { user: bridge, password: "$(cat secrets/nats_bridge_password)"
      permissions: {
        publish: ["events.>", "results.>", "deadletters.>", "replay.>",
                  "\$JS.API.INFO", "\$JS.API.STREAM.NAMES", "\$JS.API.STREAM.LIST", "\$JS.API.STREAM.INFO.*",
                  "\$JS.API.STREAM.MSG.GET.*", "\$JS.API.DIRECT.GET.>",
                  "\$JS.API.CONSUMER.INFO.*.*", "\$JS.API.CONSUMER.LIST.*", "\$JS.API.CONSUMER.NAMES.*",
                  "\$JS.API.CONSUMER.CREATE.>", "\$JS.API.CONSUMER.DURABLE.CREATE.*.*",
                  "\$JS.API.CONSUMER.DELETE.*.*", "\$JS.API.CONSUMER.RESET.*.*", "\$JS.API.CONSUMER.MSG.NEXT.*.*",
                  "\$JS.ACK.>", "\$JS.FC.>"]
        subscribe: ["_INBOX_bridge.>", "results.>"] } }
    { user: console, password: "$(cat secrets/nats_console_password)"
      permissions: {
        publish: ["results.>", "replay.>", "events.infra.approval-answered", "events.infra.approval-confirmed",
                  "events.complete-code.security-review-complete",
                  "\$JS.API.INFO", "\$JS.API.STREAM.NAMES", "\$JS.API.STREAM.LIST", "\$JS.API.STREAM.INFO.*",
                  "\$JS.API.STREAM.MSG.GET.*", "\$JS.API.DIRECT.GET.>",
                  "\$JS.API.CONSUMER.INFO.*.*", "\$JS.API.CONSUMER.LIST.*", "\$JS.API.CONSUMER.NAMES.*",
                  "\$JS.API.CONSUMER.CREATE.RESULTS.>", "\$JS.API.CONSUMER.CREATE.REPLAY.>",
                  "\$JS.API.CONSUMER.DELETE.RESULTS.*", "\$JS.API.CONSUMER.DELETE.REPLAY.*",
                  "\$JS.API.CONSUMER.MSG.NEXT.RESULTS.*", "\$JS.API.CONSUMER.MSG.NEXT.REPLAY.*"]
        subscribe: ["_INBOX_console.>"] } }
    { user: publisher, password: "$(cat secrets/nats_publisher_password)"
      permissions: {
        publish: { allow: ["events.>"]
                   deny: ["events.infra.approval-answered", "events.infra.approval-confirmed",
                          "events.complete-code.security-review-complete"] }
        subscribe: ["_INBOX_publisher.>"] } }
    { user: approver, password: "$(cat secrets/nats_approver_password)"
      permissions: {
        publish: ["events.infra.approval-answered", "events.infra.approval-confirmed",
                  "events.complete-code.security-review-complete"]
        subscribe: ["_INBOX_approver.>"] } }
    { user: subscriber, password: "$(cat secrets/nats_subscriber_password)"
      permissions: {
        publish: ["\$JS.API.STREAM.INFO.RESULTS", "\$JS.API.STREAM.INFO.REPLAY", "\$JS.API.STREAM.INFO.DEADLETTERS",
                  "\$JS.API.CONSUMER.INFO.*.subscriber", "\$JS.API.CONSUMER.MSG.NEXT.RESULTS.subscriber",
                  "\$JS.API.CONSUMER.MSG.NEXT.REPLAY.subscriber",
                  "\$JS.API.CONSUMER.MSG.NEXT.DEADLETTERS.subscriber",
                  "\$JS.ACK.RESULTS.subscriber.>", "\$JS.ACK.REPLAY.subscriber.>",
                  "\$JS.ACK.DEADLETTERS.subscriber.>"]
        subscribe: ["_INBOX_subscriber.>", "results.>", "deadletters.>", "replay.>"] } }
  ]
}
EOF
