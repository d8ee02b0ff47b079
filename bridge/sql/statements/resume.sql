-- Ends the pause of a source or a route, and records it in the audit; returns whether there was one.
-- $1 kind text   $2 name text   $3 who text   $4 via text   $5 reason text
with resumed as (
    delete from pauses where kind = $1 and name = $2 returning kind, name, since
), noted as (
    insert into audit (who, via, action, object, reason, detail)
    select $3, $4, 'resume', kind || ' ' || name, $5, 'paused since ' || since from resumed
)
select exists (select from resumed)
