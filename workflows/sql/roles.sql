-- Privileges of the store's roles on the pipelines' tables; may be run again at any time.
ALTER TABLE patterns OWNER TO ntbridge_owner;
ALTER TABLE pattern_learners OWNER TO ntbridge_owner;
ALTER TABLE pattern_unlearners OWNER TO ntbridge_owner;

REVOKE ALL ON patterns, pattern_learners, pattern_unlearners
    FROM ntbridge_app, ntbridge_worker, ntbridge_reader;
GRANT SELECT ON patterns, pattern_learners, pattern_unlearners TO ntbridge_worker, ntbridge_reader;
GRANT INSERT, DELETE ON patterns, pattern_learners TO ntbridge_worker;
GRANT INSERT ON pattern_unlearners TO ntbridge_worker;
