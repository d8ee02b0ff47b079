-- Record the object store that all workers share, unless one is recorded.
-- $1 id; $2 URL; $3 worker
INSERT INTO artefact_store (id, url, worker) VALUES ($1, $2, $3)
ON CONFLICT (one) DO NOTHING
