-- Replays: what was asked for, where it goes, and how far it has come. The set of events is
-- fixed when a replay begins: the selection, up to the position where the log was final then.
create table replays (
    id          uuid        primary key,
    selection   jsonb       not null,
    target      jsonb       not null,
    incarnation uuid        not null,
    through     bigint      not null check (through >= 0),
    total       bigint      not null check (total >= 0),
    position    bigint      not null check (position >= 0),
    sequence    bigint,
    done        bigint      not null default 0,
    tally       jsonb       not null default '{}',
    epoch       bigint      not null default 0,
    state       text        not null default 'open' check (state in ('open', 'finished')),
    who         text        not null,
    began_at    timestamptz not null default clock_timestamp(),
    saved_at    timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    check ((finished_at is null) = (state = 'open'))
);
comment on column replays.position is 'everything at or below it is done; more may be: the target itself says so';
comment on column replays.sequence is 'to NATS: of the stream''s last message when position was saved';
comment on column replays.tally is 'to routes: what the events came to, counted';
create index replays_by_time on replays (began_at);

-- What a replay planned says so for ever.
alter table dispatches add column replay uuid references replays;
create index dispatches_replay on dispatches (replay) where replay is not null;
