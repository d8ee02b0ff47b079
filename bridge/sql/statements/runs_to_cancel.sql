-- The runs of a namespace whose slots another dispatch wants, and that Temporal was not yet asked to cancel.
-- $1 namespace text   $2 how long after a request that failed interval   $3 how many int
select s.dispatch, d.target as workflow_id, s.run_id, w.request_id as wanted_by
from slots s
join dispatches d on d.id = s.dispatch
join dispatches w on w.id = s.cancel_for
where s.namespace = $1 and s.cancel_for is not null and s.cancelled_at is null and s.run_id is not null
  and (s.cancel_error is null or s.cancel_at <= clock_timestamp() - $2::interval)
order by s.cancel_at
limit $3
