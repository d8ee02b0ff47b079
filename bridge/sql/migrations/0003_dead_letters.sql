-- Dead letters that can be found, told of on NATS, redriven and closed by somebody.
alter table dead_letters
    add column generation   integer check (generation > 0),
    add column event_id     text,
    add column event_source text,
    add column event_type   text,
    add column notified_at  timestamptz;
comment on column dead_letters.event_id is
    'as the message says, decodable or not: to search by, never to decide by';
comment on column dead_letters.notified_at is 'when its notice was on NATS';

update dead_letters l
set event_id = e.id, event_source = e.source, event_type = e.type
from events e
where e.uid = l.uid;

-- A dispatch dies once in each of its generations. A settlement that was written twice, because
-- the outcome of the first commit was lost, left two letters.
update dead_letters set generation = 1 where stage = 'dispatch';
delete from dead_letters l
using dead_letters first
where l.stage = 'dispatch' and first.stage = 'dispatch'
  and l.uid = first.uid and l.route = first.route and l.id > first.id;
alter table dead_letters
    add constraint dead_letters_dispatch_check check (
        stage <> 'dispatch'
        or (uid is not null and route is not null and generation is not null)
    );
create unique index dead_letters_dispatch on dead_letters (uid, route, generation)
    where stage = 'dispatch';

create index dead_letters_uid on dead_letters (uid) where uid is not null;
-- By its hash: an id of any length fits.
create index dead_letters_event_id on dead_letters (hashtextextended(event_id, 0))
    where event_id is not null;
create index dead_letters_unnotified on dead_letters (id) where notified_at is null;

-- What people did about a letter, in order. 'left-open' is a redrive that did not succeed.
create table dead_letter_history (
    id     bigint      generated always as identity primary key,
    letter bigint      not null references dead_letters,
    at     timestamptz not null default clock_timestamp(),
    what   text        not null check (what in ('redriven', 'left-open', 'dropped')),
    who    text        not null,
    detail text
);
create index dead_letter_history_letter on dead_letter_history (letter, id);

-- dead_letter_matches: the one place that says what a selection of letters means. Absent
-- conditions are NULL. p_event is an event's id or its uid.
create function dead_letter_matches(
    l dead_letters, p_ids bigint[], p_state text, p_stage text, p_code text, p_route text,
    p_event text, p_type text, p_since timestamptz, p_until timestamptz
) returns boolean language sql immutable parallel safe as $$
    select (p_ids is null or l.id = any (p_ids))
       and (p_state is null or l.state = p_state)
       and (p_stage is null or l.stage = p_stage)
       and (p_code is null or l.code = p_code)
       and (p_route is null or l.route = p_route)
       and (p_event is null or l.event_id = p_event or l.uid::text = p_event)
       and (p_type is null or l.event_type = p_type)
       and (p_since is null or l.recorded_at >= p_since)
       and (p_until is null or l.recorded_at < p_until)
$$;
