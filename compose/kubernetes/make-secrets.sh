#!/bin/sh
# Writes all secrets of the overlay `dev` as Kubernetes manifests: random passwords, a certificate authority and the
# servers' certificates. Nothing is kept: run it once, and keep its output if you need it again.
#
#   kubectl apply -f compose/kubernetes/base/namespaces.yaml
#   compose/kubernetes/make-secrets.sh | kubectl create -f -
#
# ALSO_VALID_FOR adds names to the certificates, for connections from elsewhere (kubectl port-forward):
# ALSO_VALID_FOR=DNS:localhost,IP:127.0.0.1. Needs openssl 3.
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# The passwords and the permissions on NATS are those of the compose stack.
cp "$here/../make-secrets.sh" "$work"
"$work/make-secrets.sh" 2>/dev/null
cd "$work"
mkdir tls
password() { tr -d '\n' < "secrets/$1_password"; }
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# --- certificates ----------------------------------------------------------------------------------------------------

key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }
key tls/ca.key
openssl req -x509 -new -key tls/ca.key -days 3650 -subj /CN=quantum-ca -out tls/ca.crt \
  -addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign
# $1: name; the others: names in the certificate.
certificate() {
  name=$1; shift
  sans=$(printf ',DNS:%s' "$@")
  key "tls/$name.key"
  printf 'subjectAltName=%s\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n' \
    "${sans#,}${ALSO_VALID_FOR:+,$ALSO_VALID_FOR}" > tls/extensions
  openssl req -new -key "tls/$name.key" -subj "/CN=$1" |
    openssl x509 -req -CA tls/ca.crt -CAkey tls/ca.key -days 825 -extfile tls/extensions -out "tls/$name.crt" 2>/dev/null
}
certificate temporal temporal-frontend.quantum-system.svc
certificate nats nats.quantum-data.svc '*.nats-servers.quantum-data.svc'
certificate postgres postgres.quantum-data.svc
certificate valkey valkey.quantum-data.svc
certificate object-store object-store.quantum-data.svc

# --- manifests -------------------------------------------------------------------------------------------------------

# $1: namespace; $2: name; the others: key=file.
secret() {
  printf -- '---\napiVersion: v1\nkind: Secret\nmetadata: {namespace: %s, name: %s}\ndata:\n' "$1" "$2"
  shift 2
  for pair in "$@"; do
    printf '  %s: %s\n' "${pair%%=*}" "$(base64 < "${pair#*=}" | tr -d '\n')"
  done
}
# A text as a file; prints its path.
text() { printf '%s' "$2" > "secrets/$1"; printf '%s' "secrets/$1"; }

ca=/run/secrets/quantum-ca/ca.crt
postgres="postgres.quantum-data.svc:5432/ntbridge?sslmode=verify-full&sslrootcert=$ca"
nats=nats.quantum-data.svc:4222

for namespace in quantum-system quantum-services quantum-sandbox; do
  secret $namespace quantum-ca ca.crt=tls/ca.crt
done
secret quantum-system temporal-tls tls.crt=tls/temporal.crt tls.key=tls/temporal.key ca.crt=tls/ca.crt
secret quantum-system quantum-secrets \
  "POSTGRES_USER=$(text temporal_user temporal)" "POSTGRES_PASSWORD=$(text temporal_plain "$(password temporal)")"

# What every worker reads. The URL of Postgres has no login, so that the other two keys complete it.
random > secrets/valkey_password
for namespace in quantum-services quantum-sandbox; do
  secret $namespace quantum-secrets \
    "DATABASE_URL=$(text worker_url "postgresql://$postgres")" \
    "POSTGRES_USER=$(text worker_user worker)" "POSTGRES_PASSWORD=$(text worker_plain "$(password worker)")" \
    "REDIS_URL=$(text redis_url "rediss://worker:$(password valkey)@valkey.quantum-data.svc:6379?ssl_ca_certs=$ca")"
done
openssl genpkey -algorithm ED25519 -out secrets/signing.pem
secret quantum-sandbox quantum-signing key.pem=secrets/signing.pem

# $1: secret; $2: login in Postgres; $3: login on NATS; the others: further keys.
bridge() {
  secret_name=$1 database_login=$2 nats_login=$3
  shift 3
  secret quantum-services "$secret_name" \
    "database-url=$(text "$secret_name-database" "postgresql://$database_login:$(password "$database_login")@$postgres")" \
    "nats-url=$(text "$secret_name-nats" "tls://$nats_login:$(password "nats_$nats_login")@$nats")" "$@"
}
bridge ntbridge-migrator migrator migrator
bridge ntbridge-daemon bridge bridge
echo "The console's operator logs in with this token: $(cat secrets/console_token)" >&2
bridge ntbridge-console console console tokens.yaml=secrets/console_tokens.yaml

secret quantum-data nats-users users.conf=secrets/nats_users.conf
secret quantum-data nats-tls tls.crt=tls/nats.crt tls.key=tls/nats.key ca.crt=tls/ca.crt
# For those who publish and subscribe.
secret quantum-services nats-logins publisher=secrets/nats_publisher_password approver=secrets/nats_approver_password \
  subscriber=secrets/nats_subscriber_password
logins=
for file in secrets/*_password; do
  name=${file#secrets/}
  case $name in nats_* | grafana_* | valkey_*) ;; *) logins="$logins $name=$file" ;; esac
done
# shellcheck disable=SC2086 # several arguments
secret quantum-data postgres-logins $logins
secret quantum-data postgres-tls tls.crt=tls/postgres.crt tls.key=tls/postgres.key ca.crt=tls/ca.crt
secret quantum-data valkey-users "users.acl=$(text valkey_users "user default off
user worker on >$(password valkey) ~* &* +@all -@admin -@dangerous
")"
secret quantum-data valkey-tls tls.crt=tls/valkey.crt tls.key=tls/valkey.key ca.crt=tls/ca.crt
random > secrets/object_store_access
random > secrets/object_store_secret
for namespace in quantum-data quantum-services quantum-sandbox; do
  secret $namespace quantum-object-store \
    AWS_ACCESS_KEY_ID=secrets/object_store_access AWS_SECRET_ACCESS_KEY=secrets/object_store_secret
done
secret quantum-data object-store-tls tls.crt=tls/object-store.crt tls.key=tls/object-store.key ca.crt=tls/ca.crt
