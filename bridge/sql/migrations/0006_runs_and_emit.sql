-- Runs that routes started, watched until their end is told in a result event.
create table runs (
    run_id       text        primary key,
    workflow_id  text        not null,
    namespace    text        not null default '',
    latest       text        not null,
    uid          uuid        not null,
    route        text        not null,
    bare         boolean     not null default false,
    state        text        not null default 'open'
        check (state in ('open', 'announced', 'foreign', 'lost')),
    next_look_at timestamptz not null default clock_timestamp(),
    noted_at     timestamptz not null default clock_timestamp(),
    ended_at     timestamptz,
    reason       text,
    check ((ended_at is null) = (state = 'open'))
);
comment on column runs.run_id is 'as the dispatch knows it: mostly the first of its chain';
comment on column runs.namespace is 'that of the dispatch';
comment on column runs.latest is 'the run that goes on in its stead, as far as known';
comment on column runs.bare is 'whether its result is left out';
comment on column runs.state is
    'foreign: no event started it. lost: its closure event cannot be made or stored (see reason)';
-- What looks for a run by its id or event gives the state as an expression: see dispatches_deferred.
create index runs_due on runs (namespace, next_look_at) where state = 'open';
create index runs_age on runs (namespace, noted_at) where state = 'open';
create index runs_latest on runs (latest) where state = 'open';
create index runs_ended on runs (ended_at) where state <> 'open';
create index runs_event on runs (uid);
create index runs_noted on runs (noted_at);

-- The secret from which the ids of emitted events follow. Who knows a run's ids but not this
-- cannot compute the id of an event before the bridge has published it.
create table emit_identity (
    only_row  boolean primary key default true check (only_row),
    namespace uuid    not null default gen_random_uuid()
);
insert into emit_identity default values;
comment on column emit_identity.namespace is
    'of the UUIDv5 ids of emitted events; secret, never to be changed';
