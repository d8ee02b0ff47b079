-- wait_for_stream: let appends to one stream take turns, until the transaction ends. Called where
-- pg_try_advisory_xact_lock has not got the lock; a call of it each time would cost more than the lock.
--
-- The unique keys of `events` keep versions and uids right without it; it only spares appends
-- from being undone and judged again. So an append that does not get the lock within a second
-- goes on: what holds the lock longer is not an append of the store.
CREATE FUNCTION wait_for_stream(p_class integer, p_key integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    patience CONSTANT text := current_setting('lock_timeout');
BEGIN
    BEGIN
        PERFORM set_config('lock_timeout', '1s', true);
        PERFORM pg_advisory_xact_lock(p_class, p_key);
    EXCEPTION WHEN lock_not_available THEN
        RAISE WARNING 'the lock of a stream is held by another session for a second: going on without it';
    END;
    PERFORM set_config('lock_timeout', patience, true);
END
$$;

-- event_row: an event as it is given: the columns of `events` that do not follow from its place. An array of them takes
-- client and server less than an array of each column.
CREATE TYPE event_row AS (
    uid uuid, emitted boolean, type text, correlation_id text, correlation_uid uuid, causation_uid uuid,
    digest bytea, envelope json, data bytea
);

-- judge_stored: for each member of a batch, what is stored of it already.
-- Entries an event: its member, its number within it, the stream, the event. p_members and p_ordinals are NULL for
-- one member, which has all events, and p_streams has its stream alone.
-- Rows: member number; '-', d, b, s or p; base version when d.
CREATE FUNCTION judge_stored(
    p_members integer[], p_ordinals integer[], p_streams text[], p_events event_row[]
) RETURNS TABLE (member integer, verdict text, base bigint) LANGUAGE sql STABLE AS $$
    SELECT coalesce(given.member, 1),
           CASE
               WHEN count(found.uid) = 0 THEN '-'
               WHEN bool_or(found.digest <> given.digest) THEN 'b'
               WHEN bool_or(found.stream <> given.stream) THEN 's'
               WHEN count(found.uid) < count(*) THEN 'p'
               WHEN min(found.version - given.place) <> max(found.version - given.place) THEN 'p'
               ELSE 'd'
           END,
           min(found.version - given.place)
    FROM (
        SELECT g.member, coalesce(g.ordinal, g.number) AS place, coalesce(g.stream, p_streams[1]) AS stream,
               g.uid, g.digest
        FROM unnest(p_members, p_ordinals, p_streams, p_events) WITH ORDINALITY AS g (
            member, ordinal, stream, uid, emitted, type, correlation_id, correlation_uid, causation_uid,
            digest, envelope, data, number)
    ) AS given
    LEFT JOIN events AS found ON found.uid = given.uid
    GROUP BY given.member
$$;

-- list_sources: list sources that are not listed yet; waits for nobody. Returns those that were listed by a
-- transaction that had ended when this one began: a program need not give them again.
CREATE FUNCTION list_sources(p_sources text[]) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    visible text[];   -- also those of this transaction, which may be rolled back
    listed  text[];
BEGIN
    SELECT coalesce(array_agg(s.source), '{}'),
           coalesce(array_agg(s.source) FILTER (WHERE s.listed_at <> now()), '{}')
    INTO visible, listed
    FROM unnest(p_sources) AS g
    JOIN event_sources AS s ON hashtextextended(s.source, 0) = hashtextextended(g, 0) AND s.source = g;
    INSERT INTO event_sources (source) SELECT g FROM unnest(p_sources) AS g WHERE g <> ALL (visible);
    RETURN listed;
END
$$;

-- append_events: judge a batch of appends and write what is in order, in one round trip.
--
-- Members (the p_streams … arrays, one entry an append) are judged one after the other, as if
-- each had been appended alone; outcomes has one letter for each:
--   a  appended; its events have versions base + 1 …
--   d  a duplicate: these very events are already there, from base + 1
--   w  wrong expected version; base is the stream's actual version
--   b  conflict: a uid is stored with another body
--   s  conflict: a uid is stored in another stream
--   p  conflict: some of the uids are stored, or all but not side by side in this order
-- With p_atomic, nothing is written unless every member is a or d.
-- positions lists those of the events written, in their order.
--
-- What a member expects is judged before a position is drawn, so that the refused leave no
-- gaps. Appends to one stream take turns by an advisory lock of the transaction, taken in the
-- order of its key; the unique keys of the table stand behind it. A uid that another
-- transaction is writing at this moment shows only as a violation of its key: the block is
-- then undone and judged again, when the other has committed.
--
-- p_expected is NULL for any version, -1 for an existing stream, else the exact version. p_counts says how many events
-- each member has, at least one; p_events has them in the order of the members.
-- p_sources are the sources of the batch that the caller does not know to be listed; NULL for none.
-- listed is what list_sources returns for them.
-- Requires READ COMMITTED: judged again, a batch must see what the other has committed.
CREATE FUNCTION append_events(
    p_atomic boolean, p_sources text[],
    p_streams text[], p_expected bigint[], p_counts integer[], p_events event_row[],
    OUT outcomes text, OUT bases bigint[], OUT positions bigint[], OUT listed text[]
) LANGUAGE plpgsql
-- One plan for any arguments, by the indexes, also when it was made on a small table.
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    class     CONSTANT integer := 'events'::regclass::oid::bigint::bit(32)::integer;
    members   CONSTANT integer := cardinality(p_streams);
    uids      CONSTANT uuid[] := ARRAY(SELECT (unnest(p_events)).uid);
    streams   integer;    -- how many the batch has, or fewer, if two of them share a lock
    previous  integer[];  -- per member: the number of the member before it on its stream; NULL if each has its own
    before    integer[];  -- per member: how many events of the batch come before it on its stream; NULL likewise
    member_of integer[];  -- per event: its member; NULL for one member
    ordinals  integer[];  -- per event: its number within its member; NULL likewise
    stream_of text[] := p_streams;  -- per event, but for one member
    stored    text;       -- per member: '-' for new, else d, b, s or p
    offsets   bigint[];   -- per member: the base of those stored already
    ends      bigint[];   -- per member: its stream's version behind it
    accepted  bigint[];   -- per member: its base, NULL if nothing is written for it
    refused   boolean;
    all_hold  boolean;
    attempt   integer := 0;
    member    record;
    here      bigint;
    outcome   text;
BEGIN
    PERFORM CASE WHEN NOT pg_try_advisory_xact_lock(class, keys.key) THEN wait_for_stream(class, keys.key) END
    FROM (SELECT DISTINCT hashtext(s) AS key FROM unnest(p_streams) AS s ORDER BY 1) AS keys;
    GET DIAGNOSTICS streams = ROW_COUNT;
    IF streams < members THEN
        SELECT array_agg(m.previous ORDER BY m.number), array_agg(m.before ORDER BY m.number)
        INTO previous, before
        FROM (
            SELECT g.number, lag(g.number) OVER same AS previous,
                   sum(g.count) OVER (same ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
            FROM unnest(p_streams, p_counts) WITH ORDINALITY AS g (stream, count, number)
            WINDOW same AS (PARTITION BY g.stream ORDER BY g.number)
        ) AS m;
    END IF;
    IF members > 1 AND cardinality(p_events) = members THEN
        member_of := ARRAY(SELECT generate_series(1, members));
        ordinals := p_counts;  -- each has one
    ELSIF members > 1 THEN
        SELECT array_agg(m.number ORDER BY m.number, o), array_agg(o ORDER BY m.number, o),
               array_agg(m.stream ORDER BY m.number, o)
        INTO member_of, ordinals, stream_of
        FROM unnest(p_streams, p_counts) WITH ORDINALITY AS m (stream, count, number)
        CROSS JOIN LATERAL generate_series(1, m.count) AS o;
    END IF;
    LOOP
        BEGIN
            -- If every expectation holds where the members before it are accepted, all are: this
            -- is nearly always so, and seen in one statement.
            SELECT array_agg(m.here ORDER BY m.number),
                   bool_and(m.expected IS NULL OR m.expected = m.here OR (m.expected = -1 AND m.here > 0))
            INTO bases, all_hold
            FROM (
                SELECT g.number, g.expected, coalesce(g.before, 0)
                       + coalesce((SELECT max(e.version) FROM events AS e WHERE e.stream = g.stream), 0) AS here
                FROM unnest(p_streams, p_expected, before)
                     WITH ORDINALITY AS g (stream, expected, before, number)
            ) AS m;
            stored := NULL;
            IF EXISTS (SELECT FROM events WHERE uid = ANY (uids)) THEN
                SELECT string_agg(verdict, '' ORDER BY m), array_agg(base ORDER BY m)
                INTO stored, offsets
                FROM judge_stored(member_of, ordinals, stream_of, p_events) AS j (m, verdict, base);
            END IF;
            refused := false;
            <<one_by_one>>
            BEGIN
                IF stored IS NULL AND all_hold THEN
                    accepted := bases;
                    outcomes := repeat('a', members);
                    EXIT one_by_one;
                END IF;
                outcomes := '';
                bases := array_fill(NULL::bigint, ARRAY[members]);
                ends := bases;
                accepted := bases;
                FOR member IN
                    SELECT m.number, m.expected, m.count, m.previous,
                           CASE WHEN m.previous IS NULL
                                THEN coalesce((SELECT max(e.version) FROM events AS e WHERE e.stream = m.stream), 0)
                           END AS head
                    FROM unnest(p_streams, p_expected, p_counts, previous)
                         WITH ORDINALITY AS m (stream, expected, count, previous, number)
                LOOP
                    here := CASE WHEN member.previous IS NULL THEN member.head ELSE ends[member.previous] END;
                    outcome := substr(coalesce(stored, repeat('-', members)), member.number::integer, 1);
                    IF outcome <> '-' THEN
                        bases[member.number] := offsets[member.number];
                    ELSIF member.expected IS NULL OR member.expected = here
                       OR (member.expected = -1 AND here > 0) THEN
                        outcome := 'a';
                        bases[member.number] := here;
                        accepted[member.number] := here;
                        here := here + member.count;
                    ELSE
                        outcome := 'w';
                        bases[member.number] := here;
                    END IF;
                    refused := refused OR outcome NOT IN ('a', 'd');
                    ends[member.number] := here;
                    outcomes := outcomes || outcome;
                END LOOP;
            END one_by_one;
            positions := '{}';
            IF strpos(outcomes, 'a') = 0 OR (p_atomic AND refused) THEN
                RETURN;
            END IF;
            WITH written AS (
                INSERT INTO events (
                    stream, version, uid, emitted, type, correlation_id, correlation_uid,
                    causation_uid, digest, envelope, data)
                SELECT coalesce(e.stream, p_streams[1]),
                       accepted[coalesce(e.member, 1)] + coalesce(e.ordinal, e.number), e.uid, e.emitted, e.type,
                       e.correlation_id, e.correlation_uid, e.causation_uid, e.digest, e.envelope, e.data
                FROM unnest(member_of, ordinals, stream_of, p_events) WITH ORDINALITY AS e (
                    member, ordinal, stream, uid, emitted, type, correlation_id, correlation_uid,
                    causation_uid, digest, envelope, data, number)
                WHERE accepted[coalesce(e.member, 1)] IS NOT NULL
                RETURNING position
            )
            SELECT array_agg(w.position ORDER BY w.position) INTO positions FROM written AS w;
            IF p_sources IS NOT NULL THEN
                listed := list_sources(p_sources);
            END IF;
            RETURN;
        EXCEPTION WHEN unique_violation THEN
            attempt := attempt + 1;
            IF attempt >= 5 THEN
                RAISE EXCEPTION 'append kept meeting concurrent appends of the same events: %', SQLERRM
                    USING ERRCODE = 'serialization_failure';
            END IF;
        END;
    END LOOP;
END
$$;

-- append_one: append_events for one event that is a whole transaction, and whose source is listed.
-- outcome and base as there; new_position is that of the event written.
--
-- A uid that another transaction is writing at this moment is a violation of its key: the INSERT
-- has waited for the other to commit, draws a position that stays unused, and fails; the caller
-- asks again, and then it is judged. Hence one transaction of its own, which may fail. The INSERT
-- without ON CONFLICT writes the row once, not tentatively first.
CREATE FUNCTION append_one(
    p_stream text, p_expected bigint, p_uid uuid, p_emitted boolean, p_type text,
    p_correlation_id text, p_correlation_uid uuid, p_causation_uid uuid, p_digest bytea,
    p_envelope json, p_data bytea,
    OUT outcome text, OUT base bigint, OUT new_position bigint
) LANGUAGE plpgsql
-- Plans by the indexes, also when they were made on a small table.
SET enable_seqscan = off AS $$
DECLARE
    class CONSTANT integer := 'events'::regclass::oid::bigint::bit(32)::integer;
    known boolean;
BEGIN
    IF NOT pg_try_advisory_xact_lock(class, hashtext(p_stream)) THEN
        PERFORM wait_for_stream(class, hashtext(p_stream));
    END IF;
    SELECT coalesce(max(e.version), 0), EXISTS (SELECT FROM events AS k WHERE k.uid = p_uid)
    INTO base, known
    FROM events AS e WHERE e.stream = p_stream;
    IF known THEN
        SELECT j.verdict, j.base INTO outcome, base
        FROM judge_stored(NULL, NULL, ARRAY[p_stream], ARRAY[
            (p_uid, NULL, NULL, NULL, NULL, NULL, p_digest, NULL, NULL)::event_row
        ]) AS j;
        RETURN;
    END IF;
    IF p_expected <> base AND NOT (p_expected = -1 AND base > 0) THEN
        outcome := 'w';
        RETURN;
    END IF;
    INSERT INTO events (
        stream, version, uid, emitted, type, correlation_id, correlation_uid, causation_uid, digest, envelope, data)
    VALUES (
        p_stream, base + 1, p_uid, p_emitted, p_type, p_correlation_id, p_correlation_uid,
        p_causation_uid, p_digest, p_envelope, p_data)
    RETURNING position INTO new_position;
    outcome := 'a';
END
$$;
