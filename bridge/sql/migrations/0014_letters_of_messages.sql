-- A message that is not a CloudEvent has its identity from its place in the stream and the moment the
-- stream took it. A redrive must give the event that the message would have been at once.
alter table dead_letters add column arrived_ns bigint;
comment on column dead_letters.arrived_ns is
    'when the stream stored the message, in nanoseconds since 1970; null if not known';
