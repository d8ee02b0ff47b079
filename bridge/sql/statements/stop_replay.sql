-- Stops a replay, and records it in the audit; returns whether it was open. Its run ends at its next save.
-- $1 id uuid   $2 who text   $3 via text   $4 reason text
with stopped as (
    update replays set state = 'stopped', problem = null where id = $1 and state = 'open' returning id, done, total
), noted as (
    insert into audit (who, via, action, object, reason, detail)
    select $2, $3, 'stop replay', 'replay ' || id, $4, done || ' of ' || total || ' events done' from stopped
)
select exists (select from stopped)
