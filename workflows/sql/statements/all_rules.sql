-- The rules of all services, and where each of them is measured.
SELECT r.environment, r.service, r.rules, s.address, s.control_port
FROM monitoring_rules AS r
LEFT JOIN services AS s ON (s.environment, s.service) = (r.environment, r.service) AND s.current IS NOT NULL
ORDER BY r.environment, r.service
