-- For the console: dead letters grouped by failure, outcomes by minute, runs by age, and who did what.

-- dead_letter_shape: the first line of a reason without what differs from one event to the next: quoted
-- text, ids and numbers. Two letters with one shape failed alike.
create function dead_letter_shape(p_reason text) returns text language sql immutable parallel safe as $$
    select regexp_replace(regexp_replace(regexp_replace(
        left(split_part(p_reason, E'\n', 1), 300),
        '''[^'']*''|"[^"]*"', '''…''', 'g'),
        '[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}', '…', 'g'),
        '[0-9]+', '…', 'g')
$$;
alter table dead_letters
    add column shape text not null generated always as (dead_letter_shape(reason)) stored;
comment on column dead_letters.shape is 'the reason without quoted text, ids and numbers';
create index dead_letters_failures on dead_letters (stage, code, route, shape, id) include (recorded_at)
    where state = 'open';

create index dispatches_settled on dispatches (settled_at) include (route, state, planned_at)
    where settled_at is not null;
create index runs_noted on runs (noted_at);

-- What people did to the bridge. Rows are never changed.
create table audit (
    id     bigint      generated always as identity primary key,
    at     timestamptz not null default clock_timestamp(),
    who    text        not null check (who <> ''),
    via    text        not null,
    action text        not null,
    object text        not null,
    reason text        not null,
    detail text        not null default ''
);
comment on table audit is 'actions of people: who, when, to what, and why';
comment on column audit.via is 'how they were known: a token, a proxy, the command line';
create index audit_object on audit (object, id);

create function audit_is_immutable() returns trigger language plpgsql as $$
begin
    raise exception 'the audit is immutable: % refused', tg_op using errcode = 'EV001';
end
$$;
create trigger audit_is_immutable before update or delete on audit
    for each statement execute function audit_is_immutable();
create trigger audit_is_not_truncated before truncate on audit
    for each statement execute function audit_is_immutable();
alter table audit enable always trigger audit_is_immutable;
alter table audit enable always trigger audit_is_not_truncated;
