-- Record a public key, once.
-- $1 id; $2 PEM; $3 worker
INSERT INTO signing_keys (id, pem, worker) VALUES ($1, $2, $3)
ON CONFLICT (id) DO NOTHING
