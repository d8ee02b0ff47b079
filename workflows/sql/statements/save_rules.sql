-- Write a service's rules; they replace its earlier ones. No row if the key is closed.
-- $1 environment; $2 service; $3 key; $4 rules file
INSERT INTO monitoring_rules (environment, service, key, rules)
SELECT $1, $2, $3, $4
WHERE NOT EXISTS (SELECT FROM monitoring_closed_keys AS c WHERE c.key = $3)
ON CONFLICT (environment, service) DO UPDATE SET key = excluded.key, rules = excluded.rules
RETURNING key
