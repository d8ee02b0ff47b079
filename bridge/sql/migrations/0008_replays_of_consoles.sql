-- Replays that a console runs, and replays that people stop.
alter table replays
    drop constraint replays_state_check,
    drop constraint replays_check,
    add constraint replays_state_check check (state in ('open', 'stopped', 'finished')),
    add constraint replays_finished_check check ((finished_at is null) = (state <> 'finished')),
    add column runner text not null default 'command' check (runner in ('command', 'console')),
    add column rate double precision check (rate > 0),
    add column problem text,
    add column run_at timestamptz,
    add column done_before bigint not null default 0;
comment on column replays.runner is 'who runs it: a command, or any console, which also continues it after an interruption';
comment on column replays.rate is 'most events a second; null: as many as possible';
comment on column replays.problem is 'why it stopped without having been asked to, or what could not be sent';
comment on column replays.run_at is 'when its current or last run began';
comment on column replays.done_before is 'how many events were done when that run began';
