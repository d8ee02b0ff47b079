-- Writes down that the notices of letters are on NATS.
-- $1 letters bigint[]
update dead_letters set notified_at = clock_timestamp()
where id = any ($1::bigint[]) and notified_at is null
