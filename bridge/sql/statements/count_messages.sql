-- Counts messages by subject and type.
-- $1 stream text   $2 the stream's creation time timestamptz   $3 consumer text
-- $4 keys bytea[]   $5 subjects text[]   $6 types text[]   $7 how many bigint[]
-- $8 first sequences bigint[]   $9 last sequences bigint[]
insert into counted_messages as c (
    stream, stream_created, consumer, key, subject, type, messages, first, through
)
select $1, $2, $3, n.*
from unnest(
    $4::bytea[], $5::text[], $6::text[], $7::bigint[], $8::bigint[], $9::bigint[]
) as n (key, subject, type, messages, first, through)
on conflict (stream, stream_created, consumer, key) do update
set messages = c.messages + excluded.messages,
    first = least(c.first, excluded.first),
    through = greatest(c.through, excluded.through),
    counted_at = clock_timestamp()
