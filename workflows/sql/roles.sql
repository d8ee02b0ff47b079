-- Privileges of the store's roles on the pipelines' tables; may be run again at any time.
ALTER TABLE patterns OWNER TO ntbridge_owner;
ALTER TABLE pattern_learners OWNER TO ntbridge_owner;
ALTER TABLE pattern_unlearners OWNER TO ntbridge_owner;

REVOKE ALL ON patterns, pattern_learners, pattern_unlearners
    FROM ntbridge_app, ntbridge_worker, ntbridge_console, ntbridge_reader;
GRANT SELECT ON patterns, pattern_learners, pattern_unlearners TO ntbridge_worker, ntbridge_console, ntbridge_reader;
GRANT INSERT, DELETE ON patterns, pattern_learners TO ntbridge_worker;
GRANT INSERT ON pattern_unlearners TO ntbridge_worker;
ALTER TABLE environment_slices OWNER TO ntbridge_owner;
ALTER TABLE environment_changes OWNER TO ntbridge_owner;
ALTER TABLE environment_materials OWNER TO ntbridge_owner;
ALTER TABLE environment_ports OWNER TO ntbridge_owner;
ALTER TABLE environment_closed_keys OWNER TO ntbridge_owner;
ALTER TABLE environment_plans OWNER TO ntbridge_owner;
ALTER TABLE signing_keys OWNER TO ntbridge_owner;
ALTER TABLE artefact_store OWNER TO ntbridge_owner;

REVOKE ALL ON environment_slices, environment_changes, environment_materials, environment_ports,
    environment_closed_keys, environment_plans, signing_keys, artefact_store
    FROM ntbridge_app, ntbridge_worker, ntbridge_console, ntbridge_reader;
GRANT SELECT ON environment_slices, environment_changes, environment_materials, environment_ports,
    environment_closed_keys, environment_plans, signing_keys, artefact_store
    TO ntbridge_worker, ntbridge_console, ntbridge_reader;
GRANT INSERT, UPDATE ON environment_slices, environment_closed_keys TO ntbridge_worker;
GRANT INSERT, UPDATE, DELETE ON environment_changes, environment_materials, environment_ports TO ntbridge_worker;
-- A plan, a public key and the object store are never changed.
GRANT INSERT ON environment_plans, signing_keys, artefact_store TO ntbridge_worker;

ALTER TABLE services OWNER TO ntbridge_owner;
ALTER TABLE releases OWNER TO ntbridge_owner;
ALTER TABLE service_machine OWNER TO ntbridge_owner;
ALTER TABLE monitoring_rules OWNER TO ntbridge_owner;
ALTER TABLE monitoring_closed_keys OWNER TO ntbridge_owner;

REVOKE ALL ON services, releases, service_machine, monitoring_rules, monitoring_closed_keys FROM ntbridge_app, ntbridge_worker, ntbridge_console, ntbridge_reader;
GRANT SELECT ON services, releases, service_machine, monitoring_rules, monitoring_closed_keys TO ntbridge_worker;
GRANT SELECT ON releases, service_machine, monitoring_rules, monitoring_closed_keys TO ntbridge_console, ntbridge_reader;
-- Without the token of the supervisor.
GRANT SELECT (environment, service, current, machine, address, port, control_port) ON services TO ntbridge_console, ntbridge_reader;
GRANT INSERT, UPDATE ON services, releases TO ntbridge_worker;
GRANT INSERT ON service_machine, monitoring_closed_keys TO ntbridge_worker;
GRANT INSERT, UPDATE, DELETE ON monitoring_rules TO ntbridge_worker;
