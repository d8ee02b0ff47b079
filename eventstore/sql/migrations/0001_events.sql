-- The log: one table, one row an event, appended and never changed.
--
-- Positions are drawn by the INSERT itself, from a sequence that caches one value; the readers'
-- fence (eventstore/subscription.py) stands on both. Never draw a position by hand.
CREATE TABLE events (
    position         bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    uid              uuid NOT NULL,
    stream           text COLLATE "C" NOT NULL,
    version          bigint NOT NULL,
    recorded_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    origin           text COLLATE "C" NOT NULL,
    -- the envelope, CloudEvents 1.0; time as it was written, data as the bytes that came
    id               text COLLATE "C" NOT NULL,
    source           text COLLATE "C" NOT NULL,
    type             text COLLATE "C" NOT NULL,
    subject          text COLLATE "C",
    time             text COLLATE "C",
    datacontenttype  text COLLATE "C",
    dataschema       text COLLATE "C",
    data             bytea,
    traceparent      text COLLATE "C",
    tracestate       text COLLATE "C",
    extensions       jsonb,
    -- what the store adds
    digest           bytea NOT NULL,
    topic            text COLLATE "C",
    correlation_id   text COLLATE "C" NOT NULL,
    correlation_uid  uuid NOT NULL,
    causation_id     text COLLATE "C",
    causation_uid    uuid,
    tenant           text COLLATE "C",
    schema_version   integer NOT NULL,

    CONSTRAINT events_uid_key UNIQUE (uid),
    CONSTRAINT events_stream_version_key UNIQUE (stream, version),
    CONSTRAINT events_position_check CHECK (position > 0),
    CONSTRAINT events_version_check CHECK (version > 0),
    CONSTRAINT events_stream_check CHECK (stream <> '' AND octet_length(stream) <= 2000),
    CONSTRAINT events_type_check CHECK (type <> '' AND octet_length(type) <= 2000),
    CONSTRAINT events_origin_check CHECK (origin IN ('received', 'emitted')),
    CONSTRAINT events_digest_check CHECK (octet_length(digest) = 32),
    CONSTRAINT events_schema_version_check CHECK (schema_version > 0)
);

-- Payloads are compressed seldom and read often.
ALTER TABLE events ALTER COLUMN data SET STORAGE EXTERNAL;

-- Every read walks one of these in position order. Attributes of any length are indexed by
-- their hash: eight bytes each, and no value is too long for the tree.
CREATE INDEX events_type_idx ON events (type, position);
CREATE INDEX events_origin_idx ON events (origin, position);
CREATE INDEX events_recorded_at_idx ON events (recorded_at, position);
CREATE INDEX events_category_idx ON events (hashtextextended(split_part(stream, '-', 1), 0), position);
CREATE INDEX events_source_idx ON events (hashtextextended(source, 0), position);
CREATE INDEX events_correlation_id_idx ON events (hashtextextended(correlation_id, 0), position);
CREATE INDEX events_subject_idx ON events (hashtextextended(subject, 0), position) WHERE subject IS NOT NULL;
CREATE INDEX events_topic_idx ON events (hashtextextended(topic, 0), position) WHERE topic IS NOT NULL;
CREATE INDEX events_tenant_idx ON events (hashtextextended(tenant, 0), position) WHERE tenant IS NOT NULL;
CREATE INDEX events_causation_id_idx ON events (hashtextextended(causation_id, 0), position) WHERE causation_id IS NOT NULL;
CREATE INDEX events_causation_uid_idx ON events (causation_uid, position) WHERE causation_uid IS NOT NULL;
-- The first event of a chain is its own correlation, and found by its uid.
CREATE INDEX events_correlation_uid_idx ON events (correlation_uid, position) WHERE correlation_uid <> uid;

CREATE FUNCTION events_are_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'recorded events are immutable: % on % refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'EV001', HINT = 'Append an event that corrects the earlier one.';
END
$$;

CREATE TRIGGER events_are_immutable BEFORE UPDATE OR DELETE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION events_are_immutable();
CREATE TRIGGER events_are_not_truncated BEFORE TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION events_are_immutable();
-- ALWAYS: session_replication_role = replica would switch ordinary triggers off.
ALTER TABLE events ENABLE ALWAYS TRIGGER events_are_immutable;
ALTER TABLE events ENABLE ALWAYS TRIGGER events_are_not_truncated;

-- Which history this is. One row; a restored backup is given a new id, so that readers notice
-- that positions past the backup mean other events than before.
CREATE TABLE store_incarnation (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    id          uuid NOT NULL DEFAULT gen_random_uuid(),
    since       timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO store_incarnation DEFAULT VALUES;
