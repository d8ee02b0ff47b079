-- Writes the outcomes of checks of runs. An open run is checked again after a quarter of its age,
-- between 5 seconds and 10 minutes, or after the given pause.
-- $1 run ids text[]   $2 states text[]   $3 latest runs text[]   $4 reasons text[]
-- $5 pauses in seconds float8[], null: computed from the age
update runs r
set state        = found.state,
    latest       = found.latest,
    reason       = found.reason,
    ended_at     = case when found.state = 'open' then null else clock_timestamp() end,
    next_look_at = clock_timestamp() + coalesce(
        make_interval(secs => found.pause),
        least(greatest((clock_timestamp() - r.noted_at) / 4, interval '5 s'), interval '10 min')
    )
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::float8[])
         as found (run_id, state, latest, reason, pause)
where r.run_id = found.run_id and r.state = 'open'
