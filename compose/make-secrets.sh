#!/bin/sh
# Makes the secrets of the compose stack, once: random passwords in files below secrets/. Files that are there stay as
# they are. Run it before the first `docker compose up`.
set -eu
cd "$(dirname "$0")"
# On the host the folder is closed to all but you. The files in it are not: compose mounts them as they are, and what runs
# in the containers is neither you nor root.
mkdir -p -m 700 secrets
umask 022

# $1: name of the file; its content comes from standard input.
keep() { [ -s "secrets/$1" ] && return; cat > "secrets/$1.new"; mv "secrets/$1.new" "secrets/$1"; echo "made secrets/$1" >&2; }
password() { keep "$1" <<EOF
$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
EOF
}

for name in postgres_password migrator_password bridge_password temporal_password grafana_password \
            nats_bridge_password nats_publisher_password nats_subscriber_password; do
  password "$name"
done

# The same again in the forms in which programs take them.
keep migrator_dsn <<EOF
postgresql://migrator:$(cat secrets/migrator_password)@postgres:5432/ntbridge
EOF
keep bridge_dsn <<EOF
postgresql://bridge:$(cat secrets/bridge_password)@postgres:5432/ntbridge
EOF
keep nats_bridge_url <<EOF
nats://bridge:$(cat secrets/nats_bridge_password)@nats:4222
EOF
keep nats_users.conf <<EOF
# Publishers may publish domain events, and ask whether one is stored. Subscribers may read results, dead letters'
# notices and replays, by consumers of their own. What neither may: write RESULTS, whose one writer is the bridge.
authorization {
  users = [
    { user: bridge, password: "$(cat secrets/nats_bridge_password)" }
    { user: publisher, password: "$(cat secrets/nats_publisher_password)"
      permissions: { publish: ["events.>"], subscribe: ["_INBOX.>"] } }
    { user: subscriber, password: "$(cat secrets/nats_subscriber_password)"
      permissions: {
        publish: ["\$JS.API.INFO", "\$JS.API.STREAM.NAMES", "\$JS.API.STREAM.INFO.*", "\$JS.ACK.>", "\$JS.FC.>",
                  "\$JS.API.CONSUMER.*.RESULTS", "\$JS.API.CONSUMER.*.RESULTS.>", "\$JS.API.CONSUMER.MSG.NEXT.RESULTS.>",
                  "\$JS.API.CONSUMER.*.REPLAY", "\$JS.API.CONSUMER.*.REPLAY.>", "\$JS.API.CONSUMER.MSG.NEXT.REPLAY.>",
                  "\$JS.API.CONSUMER.*.DEADLETTERS", "\$JS.API.CONSUMER.*.DEADLETTERS.>",
                  "\$JS.API.CONSUMER.MSG.NEXT.DEADLETTERS.>"]
        subscribe: ["_INBOX.>", "results.>", "deadletters.>", "replay.>"] } }
  ]
}
EOF
