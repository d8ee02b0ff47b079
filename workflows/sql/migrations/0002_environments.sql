-- Environments. Each is shared by services: a service owns its resources, and has its own state,
-- revisions and changes in the environment (a slice). The owner '' is the environment itself.
CREATE TABLE environment_slices (
    environment text NOT NULL,
    owner       text NOT NULL,
    revision    bigint NOT NULL,
    state       text NOT NULL,              -- JSON: after the last committed change
    PRIMARY KEY (environment, owner)
);

-- The changes of a slice: its history, and the change that is not finished.
CREATE TABLE environment_changes (
    environment text NOT NULL,
    owner       text NOT NULL,
    revision    bigint NOT NULL,            -- after it
    key         text NOT NULL,              -- the effect key of a run
    what        text NOT NULL,
    entry       text NOT NULL,              -- JSON: the change, and the states before and after
    committed   boolean NOT NULL DEFAULT false,
    begun_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (environment, owner, revision)
);
CREATE UNIQUE INDEX environment_changes_unfinished ON environment_changes (environment, owner) WHERE NOT committed;
CREATE INDEX environment_changes_of_key ON environment_changes (environment, owner, key);

-- What was made, or may have been made, in the object store; the row comes first and goes last.
CREATE TABLE environment_materials (
    location    text PRIMARY KEY,           -- prefix of its objects
    environment text NOT NULL,
    owner       text NOT NULL,
    name        text NOT NULL               -- of the resource
);
CREATE INDEX environment_materials_of_environment ON environment_materials (environment, name);

-- Ports are reserved for endpoints, over all environments.
CREATE TABLE environment_ports (
    port        integer PRIMARY KEY,
    environment text NOT NULL,
    owner       text NOT NULL,
    name        text NOT NULL
);

-- Keys under which nothing may be provisioned again.
CREATE TABLE environment_closed_keys (
    environment text NOT NULL,
    owner       text NOT NULL,
    key         text NOT NULL,
    undone      boolean NOT NULL,           -- whether a change was undone
    PRIMARY KEY (environment, owner, key)
);

CREATE TABLE environment_plans (
    id          text PRIMARY KEY,           -- SHA-256 of its content
    environment text NOT NULL,
    owner       text NOT NULL,
    plan        text NOT NULL,              -- JSON
    made_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The public keys of all workers that sign provenance.
CREATE TABLE signing_keys (
    id            text PRIMARY KEY,         -- SHA-256 of the key's 32 bytes
    pem           text NOT NULL,
    worker        text NOT NULL,            -- who registered it first
    registered_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The object store that all workers share: its id is in the store too, so that a worker with
-- another store is noticed.
CREATE TABLE artefact_store (
    one           boolean PRIMARY KEY DEFAULT true CHECK (one),
    id            text NOT NULL,
    url           text NOT NULL,            -- as the first worker named it
    worker        text NOT NULL,            -- the first worker
    registered_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
