-- Inserts the verdict of each message that is redriven, without the progress of a source: a console may redrive,
-- and may not change what a source has read. A message that is known keeps its first verdict.
-- $1 streams text[]   $2 streams' creation times timestamptz[]   $3 sequences bigint[]
-- $4 topics text[]    $5 verdicts text[]                         $6 uids uuid[]
insert into deliveries (stream, stream_created, sequence, topic, verdict, uid)
select * from unnest($1::text[], $2::timestamptz[], $3::bigint[], $4::text[], $5::text[], $6::uuid[])
on conflict do nothing
