-- Inserts the verdict of each message of a batch. A message that is delivered again keeps its first
-- verdict.
-- $1 streams text[]   $2 streams' creation times timestamptz[]   $3 sequences bigint[]
-- $4 topics text[]    $5 verdicts text[]                         $6 uids uuid[]
insert into deliveries (stream, stream_created, sequence, topic, verdict, uid)
select * from unnest($1::text[], $2::timestamptz[], $3::bigint[], $4::text[], $5::text[], $6::uuid[])
on conflict do nothing
