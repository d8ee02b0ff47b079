-- The parts of archives. A part is written first, noted here second, and removed from the log third.
create table archive_parts (
    removal      bigint not null references removals,
    number       integer not null check (number > 0),
    name         text not null,
    events       integer not null,
    first        bigint not null,
    last         bigint not null,
    bytes        bigint not null,
    sha256       text not null,
    rows_sha256  text not null,
    through      bigint not null,
    removed      boolean not null default false,
    primary key (removal, number)
);
comment on column archive_parts.through is 'how far the log was read for it';
comment on column archive_parts.removed is 'whether the bodies are out of the log';
