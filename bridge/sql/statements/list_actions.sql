-- What people did, the latest first.
-- $1 before this id bigint   $2 object text or null   $3 how many int
select id, at, who, via, action, object, reason, detail
from audit
where id < $1 and ($2::text is null or object = $2)
order by id desc
limit $3
