-- Inserts the plan of a batch of events (see migrations/0011_recording.sql).
-- $1 uids uuid[]         $2 positions bigint[]   $3 routes text[]   $4 route digests bytea[]
-- $5 generations int[]   $6 operations text[]    $7 keys text[]     $8 targets text[]
-- $9 request ids uuid[]  $10 calls text[], each a JSON object       $11 partitions smallint[]
-- $12 states text[]      $13 errors text[]
-- $14 maximum attempts int[]                     $15 maximum seconds float8[]
-- $16 traces text[]      $17 whether it starts its target boolean[]
-- $18 seconds to wait for the target float8[]   $19 namespaces text[]
-- $20 the slot and the window that each asks for text[], each a JSON object or null
-- $21 replay that plans them uuid, null at intake
-- $22 whether to return dispatches boolean
select * from insert_dispatches(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
