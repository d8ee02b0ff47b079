-- Inserts a new replay.
-- $1 id uuid   $2 selection text, a JSON object   $3 target text, a JSON object
-- $4 incarnation uuid   $5 through position bigint   $6 total bigint
-- $7 position before the first event bigint   $8 sequence bigint   $9 who text
insert into replays (id, selection, target, incarnation, through, total, position, sequence, who)
values ($1, $2::text::jsonb, $3::text::jsonb, $4, $5, $6, $7, $8, $9)
