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

-- What people have paused: sources, of which nothing is fetched, and routes, of which nothing is dispatched.
create table pauses (
    kind   text        not null check (kind in ('source', 'route')),
    name   text        not null check (name <> ''),
    since  timestamptz not null default clock_timestamp(),
    who    text        not null check (who <> ''),
    reason text        not null,
    primary key (kind, name)
);
comment on table pauses is 'sources and routes that are held until somebody resumes them';
comment on column pauses.name is 'of a source: <stream>/<consumer>';
