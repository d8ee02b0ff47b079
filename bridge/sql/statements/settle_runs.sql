-- Writes the outcomes of checks of runs. An open run is checked again after a quarter of its age,
-- between 5 seconds and 10 minutes, or after the given pause. A run whose end is known frees its slot.
-- Returns how many dispatches got a slot.
-- $1 run ids text[]   $2 states text[]   $3 latest runs text[]   $4 reasons text[]
-- $5 pauses in seconds float8[], null: computed from the age
with found as (
    select *
    from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::float8[])
             as f (run_id, state, latest, reason, pause)
),
settled as (
    update runs r
    set state        = found.state,
        latest       = found.latest,
        reason       = found.reason,
        ended_at     = case when found.state = 'open' then null else clock_timestamp() end,
        next_look_at = clock_timestamp() + coalesce(
            make_interval(secs => found.pause),
            least(greatest((clock_timestamp() - r.noted_at) / 4, interval '5 s'), interval '10 min')
        )
    from found
    where r.run_id = found.run_id and r.state || '' = 'open'
    returning r.run_id, r.state
)
select coalesce(free_slots_of_runs(array_agg(run_id) filter (where state <> 'open')), 0) from settled
