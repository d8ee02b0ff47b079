-- What a dead letter keeps of a message byte for byte, beside its payload.
alter table dead_letters add column subject bytea;
comment on column dead_letters.subject is
    'the subject, without the prefix, where the text in topic is not exactly it';
comment on column dead_letters.headers is
    'the header block as it came (NATS/1.0 ...); letters of earlier releases: a JSON object';
