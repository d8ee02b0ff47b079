-- Gives a replay that is not finished to the consoles, and records it in the audit; returns whether it did.
-- $1 id uuid   $2 who text   $3 via text   $4 reason text
with continued as (
    update replays set state = 'open', runner = 'console', problem = null
    where id = $1 and state <> 'finished' and not (state = 'open' and runner = 'console')
    returning id
), noted as (
    insert into audit (who, via, action, object, reason)
    select $2, $3, 'continue replay', 'replay ' || id, $4 from continued
)
select exists (select from continued)
