-- Write the card of a release.
-- $1 environment; $2 service; $3 release; $4 card, JSON
INSERT INTO releases (environment, service, release, card) VALUES ($1, $2, $3, $4)
ON CONFLICT (environment, service, release) DO UPDATE SET card = excluded.card
