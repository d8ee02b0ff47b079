-- Runs that routes started, watched until their end is told in a result event.
create table runs (
    run_id       text        primary key,
    workflow_id  text        not null,
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
comment on column runs.latest is 'the run that goes on in its stead, as far as known';
comment on column runs.bare is 'whether its result is left out';
comment on column runs.state is
    'foreign: no event started it. lost: Temporal does not know it any more';
create index runs_due on runs (next_look_at) where state = 'open';
create index runs_age on runs (noted_at) where state = 'open';
create index runs_latest on runs (latest) where state = 'open';
create index runs_ended on runs (ended_at) where state <> 'open';
create index runs_event on runs (uid);

-- Those that were started before there was this table.
insert into runs (run_id, workflow_id, latest, uid, route)
select distinct on (run_id) run_id, target, run_id, uid, route
from dispatches
where operation in ('start', 'signal_with_start')
  and state in ('done', 'duplicate')
  and run_id is not null
order by run_id, id;
