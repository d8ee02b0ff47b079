-- The sources of the stored events; one index scan for each source.
-- $1 limit int
with recursive sources as (
    (select hashtextextended(source, 0) as hash, source
     from events
     order by hashtextextended(source, 0), position
     limit 1)
    union all
    select next.hash, next.source
    from sources s
    cross join lateral (
        select hashtextextended(e.source, 0) as hash, e.source
        from events e
        where hashtextextended(e.source, 0) > s.hash
        order by hashtextextended(e.source, 0), e.position
        limit 1
    ) next
)
select source from sources limit $1
