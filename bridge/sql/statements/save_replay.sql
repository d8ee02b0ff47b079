-- Saves the progress of a replay; no row if a later epoch has saved it, or if it is not open.
-- $1 id uuid   $2 position bigint   $3 sequence bigint, null leaves it   $4 done bigint
-- $5 tally text, a JSON object, null leaves it   $6 epoch bigint
update replays
set position = $2, sequence = coalesce($3, sequence), done = $4, tally = coalesce($5::text::jsonb, tally),
    epoch = $6, saved_at = clock_timestamp()
where id = $1 and epoch <= $6 and state = 'open'
returning id
