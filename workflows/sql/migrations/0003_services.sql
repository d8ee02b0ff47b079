-- Releases of services: which there are, and which is in force. Their files are in the object store.
CREATE TABLE services (
    environment  text NOT NULL,
    service      text NOT NULL,
    current      text,                      -- the release in force
    machine      text,                      -- where it runs
    address      text,                      -- under which others reach that machine
    port         integer,                   -- of the service
    control_port integer,                   -- of its supervisor, with /metrics
    token        text,                      -- for its supervisor
    PRIMARY KEY (environment, service)
);

CREATE TABLE releases (
    environment text NOT NULL,
    service     text NOT NULL,
    release     text NOT NULL,
    card        text NOT NULL,              -- JSON: digests of its files, the previous release, its health
    made_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (environment, service, release)
);

-- The local deployer serves one machine: the first that starts.
CREATE TABLE service_machine (
    one           boolean PRIMARY KEY DEFAULT true CHECK (one),
    machine       text NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The monitoring rules of services.
CREATE TABLE monitoring_rules (
    environment text NOT NULL,
    service     text NOT NULL,
    key         text NOT NULL,              -- the effect key of the run that set them up
    rules       text NOT NULL,              -- the rules file
    PRIMARY KEY (environment, service)
);

-- Keys under which no rules may be set up again.
CREATE TABLE monitoring_closed_keys (
    key       text PRIMARY KEY,
    closed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
