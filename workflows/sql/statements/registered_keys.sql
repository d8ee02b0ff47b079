-- All public keys of workers.
SELECT id, pem FROM signing_keys ORDER BY registered_at, id
