-- A table for the rows of an exported file, as they are in the file.
CREATE TEMPORARY TABLE imported_events (
    position bigint PRIMARY KEY, uid uuid, stream text, version bigint, recorded_at timestamptz, origin text CHECK (origin IN ('received', 'emitted')), id text,
    source text, type text, subject text, time text, datacontenttype text, dataschema text, data bytea,
    traceparent text, tracestate text, extensions jsonb, topic text, correlation_id text,
    correlation_uid uuid, causation_id text, causation_uid uuid, tenant text, schema_version bigint, digest bytea, removal bigint
) ON COMMIT DROP
