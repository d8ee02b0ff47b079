-- Operations beyond start: what was planned is a call; waiting for a target has an end; keys
-- hash to partitions, each of which one daemon dispatches at a time.
alter table dispatches rename column spec to call;
alter table dispatches
    add column partition        smallint,
    add column waiting_until    timestamptz,
    add column give_up_attempts integer,
    add column give_up_seconds  float8;
-- What was planned before partitions existed was in flight under a fixed order by position.
update dispatches set partition = mod(abs(hashtextextended(key, 0)), 32);
alter table dispatches alter column partition set not null;

drop index dispatches_open;
create index dispatches_due on dispatches (position, id) where state in ('open', 'waiting');
create index dispatches_lane on dispatches (key, position, id) where state in ('open', 'waiting');
