-- Records that the notices of dead letters are published on NATS.
-- $1 letters bigint[]
update dead_letters set notified_at = clock_timestamp()
where id = any ($1::bigint[]) and notified_at is null
