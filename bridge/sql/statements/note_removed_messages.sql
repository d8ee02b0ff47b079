-- Records messages that left a stream before they were recorded; returns how many of them are new.
-- A source that attaches again before the next message finds the same ones.
-- $1 stream text   $2 the stream's creation time timestamptz   $3 consumer text
-- $4 first sequence bigint   $5 last sequence bigint
with before as (
    select through from removed_messages
    where stream = $1 and stream_created = $2 and consumer = $3 and first = $4
), noted as (
    insert into removed_messages (stream, stream_created, consumer, first, through)
    values ($1, $2, $3, $4, $5)
    on conflict (stream, stream_created, consumer, first) do update
    set through = excluded.through
    where removed_messages.through < excluded.through
    returning through
)
select through - coalesce((select through from before), $4 - 1) as messages from noted
