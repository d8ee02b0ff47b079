-- Where replays have sent copies besides the stream REPLAY: files, and subjects that people named.
select distinct target::text as target
from replays
where target ->> 'kind' = 'file' or (target ->> 'kind' = 'nats' and target ->> 'subject' is not null)
order by target
