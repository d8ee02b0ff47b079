-- The object store that all workers share.
SELECT id, url, worker FROM artefact_store
