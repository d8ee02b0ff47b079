-- Refuse rules under a key from now on.
-- $1 key
INSERT INTO monitoring_closed_keys (key) VALUES ($1)
ON CONFLICT (key) DO NOTHING
