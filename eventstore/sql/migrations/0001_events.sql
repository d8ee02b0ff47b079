-- The log: one table, one row an event, appended and never changed.
--
-- Positions are drawn by the INSERT itself, from a sequence that caches one value; the readers'
-- fence (eventstore/subscription.py) stands on both. Never draw a position by hand.
--
-- A column is what an index answers, or what stays when the body of an event is removed. All other
-- attributes are in the envelope: JSON text without white space, in which an attribute that is not
-- set is missing. Its keys: id, source, subject, time, datacontenttype, dataschema, extensions (an
-- object of the extension attributes), and of the store: topic, tenant, schema_version (missing: the
-- number at the end of the type, else 1). The view event_documents has a column for each.
CREATE TABLE events (
    position         bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    version          bigint NOT NULL,
    recorded_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    uid              uuid NOT NULL,
    correlation_uid  uuid,
    causation_uid    uuid,
    emitted          boolean NOT NULL,
    removal          bigint,
    stream           text COLLATE "C" NOT NULL,
    type             text COLLATE "C" NOT NULL,
    correlation_id   text COLLATE "C",
    digest           bytea NOT NULL,
    envelope         json NOT NULL,
    data             bytea,

    CONSTRAINT events_uid_key UNIQUE (uid),
    CONSTRAINT events_stream_version_key UNIQUE (stream, version),
    CONSTRAINT events_position_check CHECK (position > 0),
    CONSTRAINT events_version_check CHECK (version > 0),
    CONSTRAINT events_stream_check CHECK (stream <> '' AND octet_length(stream) <= 2000),
    CONSTRAINT events_type_check CHECK (type <> '' AND octet_length(type) <= 2000),
    CONSTRAINT events_digest_check CHECK (octet_length(digest) = 32),
    CONSTRAINT events_envelope_check CHECK (json_typeof(envelope) = 'object')
);
COMMENT ON COLUMN events.emitted IS 'emitted by a workflow here; false: received from outside';
COMMENT ON COLUMN events.correlation_uid IS 'the first event of the chain; null: this one';
COMMENT ON COLUMN events.correlation_id IS 'null: the id of this event';
COMMENT ON COLUMN events.removal IS
    'null, or what removed the body: data and attributes are gone, and the row is a tombstone';
COMMENT ON COLUMN events.digest IS 'SHA-256 of type and data as they were appended; stays in a tombstone';
COMMENT ON COLUMN events.data IS 'the bytes that came';

-- Payloads are compressed seldom and read often.
ALTER TABLE events ALTER COLUMN data SET STORAGE EXTERNAL;

-- Reads by one of these walk it in position order; other reads scan a range of positions.
CREATE INDEX events_type_idx ON events (type, position);
CREATE INDEX events_emitted_idx ON events (position) WHERE emitted;
CREATE INDEX events_causation_uid_idx ON events (causation_uid, position) WHERE causation_uid IS NOT NULL;
-- The first event of a chain is found by its uid.
CREATE INDEX events_correlation_uid_idx ON events (correlation_uid, position) WHERE correlation_uid IS NOT NULL;
-- By its hash: eight bytes, and no value is too long for the tree.
CREATE INDEX events_correlation_id_idx ON events (hashtextextended(correlation_id, 0), position)
    WHERE correlation_id IS NOT NULL;
-- Both columns rise along the table, so a few bytes for each range of blocks find either end of a time range.
CREATE INDEX events_recorded_at_idx ON events USING brin (recorded_at, position) WITH (autosummarize = on);

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

-- The sources of the events. A uid follows from source and id, so an id alone is looked up with each
-- source. Listed in the commit of a source's first event; a source stays when its events are removed.
-- Not unique: an append must never wait for another one, so two that bring the same new source at the
-- same time list it twice.
CREATE TABLE event_sources (
    source      text COLLATE "C" NOT NULL,
    listed_at   timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN event_sources.listed_at IS 'when the transaction began that listed it';
CREATE INDEX event_sources_source_idx ON event_sources (hashtextextended(source, 0));

-- Which history this is. One row; a restored backup is given a new id, so that readers notice
-- that positions past the backup mean other events than before.
CREATE TABLE store_incarnation (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    id          uuid NOT NULL DEFAULT gen_random_uuid(),
    since       timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO store_incarnation DEFAULT VALUES;
