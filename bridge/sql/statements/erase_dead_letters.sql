-- Take what dead letters of some events hold of them, and close those that are open.
-- $1 uids, $2 the reason to write
with erased as (
    update dead_letters
    set payload = null, headers = null, subject = null, traceback = null, event_id = null, reason = $2,
        state = case when state = 'open' then 'dropped' else state end,
        closed_at = coalesce(closed_at, clock_timestamp())
    where uid = any ($1::uuid[]) and (payload is not null or reason <> $2 or state = 'open')
    returning id
), silenced as (
    update dead_letter_history set detail = null
    where detail is not null and letter in (select id from dead_letters where uid = any ($1::uuid[]))
)
select id from erased
