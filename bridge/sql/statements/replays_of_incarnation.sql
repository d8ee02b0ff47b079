-- The replays of the store as it is now: their copies have its positions.
select r.id::text as id from replays r join store_incarnation i on r.incarnation = i.id
