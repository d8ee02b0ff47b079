-- Makes due the dispatches and the checks of runs that lie further ahead than the longest pause (30 s,
-- and 10 min): the database's clock went back since, and they would wait until it has come as far again.
-- Moves windows whose last event came in the future, by as much as the clock went back.
-- Skips locked rows: they are being settled, and get a new time.
-- Returns their numbers.
with late_dispatches as (
    update dispatches d
    set next_attempt_at = clock_timestamp()
    from (
        select id
        from dispatches
        where state in ('open', 'waiting') and next_attempt_at > clock_timestamp() + interval '1 min'
        for no key update skip locked
    ) as late
    where d.id = late.id
    returning d.id
),
late_runs as (
    update runs r
    set next_look_at = clock_timestamp()
    from (
        select run_id
        from runs
        where state = 'open' and next_look_at > clock_timestamp() + interval '11 min'
        for no key update skip locked
    ) as late
    where r.run_id = late.run_id
    returning r.run_id
),
late_windows as (
    update windows w
    set opened_at = w.opened_at - late.shift, joined_at = w.joined_at - late.shift, closes_at = w.closes_at - late.shift
    from (
        select id, joined_at - clock_timestamp() as shift
        from windows
        where joined_at > clock_timestamp() + interval '1 min'
        for no key update skip locked
    ) as late
    where w.id = late.id
    returning w.id
)
select (select count(*) from late_dispatches) as dispatches, (select count(*) from late_runs) as runs,
       (select count(*) from late_windows) as windows
