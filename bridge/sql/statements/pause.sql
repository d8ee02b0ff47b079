-- Pauses a source or a route, unless it is paused, and records it in the audit; returns whether it did.
-- $1 kind text   $2 name text   $3 who text   $4 via text   $5 reason text
with paused as (
    insert into pauses (kind, name, who, reason) values ($1, $2, $3, $5)
    on conflict (kind, name) do nothing
    returning kind, name
), noted as (
    insert into audit (who, via, action, object, reason)
    select $3, $4, 'pause', kind || ' ' || name, $5 from paused
)
select exists (select from paused)
