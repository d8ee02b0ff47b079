-- The secret from which the ids of emitted events follow. Who knows a run's ids but not this
-- cannot compute the id of an event before the bridge has published it.
create table emit_identity (
    only_row  boolean primary key default true check (only_row),
    namespace uuid    not null default gen_random_uuid()
);
insert into emit_identity default values;
comment on column emit_identity.namespace is
    'of the UUIDv5 ids of emitted events; secret, never to be changed';

-- `lost` is also the state of a run whose closure event the store refused.
comment on column runs.state is
    'foreign: no event started it. lost: its closure event cannot be made or stored (see reason)';
