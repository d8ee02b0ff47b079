-- Notes that Temporal accepted the request to cancel the run that holds a slot, or why it did not.
-- $1 dispatch that holds the slot bigint   $2 error text, or null
update slots
set cancelled_at = case when $2::text is null then clock_timestamp() end,
    cancel_at = case when $2::text is null then cancel_at else clock_timestamp() end,
    cancel_error = $2
where dispatch = $1 and cancel_for is not null
