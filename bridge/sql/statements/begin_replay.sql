-- Inserts a new replay and records it in the audit; returns its id.
-- $1 id uuid   $2 selection text, a JSON object   $3 target text, a JSON object
-- $4 incarnation uuid   $5 through position bigint   $6 total bigint
-- $7 position before the first event bigint   $8 sequence bigint   $9 who text
-- $10 via text   $11 reason text   $12 runner text   $13 most events a second double precision, or null
-- $14 what it is, in words, text
with begun as (
    insert into replays (id, selection, target, incarnation, through, total, position, sequence, who, runner, rate)
    values ($1, $2::text::jsonb, $3::text::jsonb, $4, $5, $6, $7, $8, $9, $12, $13)
    returning id
), noted as (
    insert into audit (who, via, action, object, reason, detail)
    select $9, $10, 'replay', 'replay ' || id, $11, $14 from begun
)
select id from begun
