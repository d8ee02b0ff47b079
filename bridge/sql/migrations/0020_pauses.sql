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
