-- Take what settled dispatches of some events hold of them: the call, with its arguments, and the error.
-- $1 uids
update dispatches set call = '{}', error = null
where uid = any ($1::uuid[]) and state not in ('open', 'waiting', 'queued', 'gathering')
  and not (state = 'merged' and is_given_later(uid)) and (call::text <> '{}' or error is not null)
returning id
