-- How far each source has come: two sources may be parts of one stream.
create table source_progress (
    stream         text        not null,
    stream_created timestamptz not null,
    consumer       text        not null,
    sequence       bigint      not null,
    uid            uuid,
    primary key (stream, stream_created, consumer)
);
comment on column source_progress.uid is 'of the event at that sequence, if it was one';

-- Until now there was one source, the whole of its stream.
insert into source_progress
select distinct on (stream, stream_created) stream, stream_created, 'ntbridge', sequence, uid
from deliveries
order by stream, stream_created, sequence desc;
