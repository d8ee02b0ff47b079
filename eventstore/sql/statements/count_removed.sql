-- The number of events that pass a filter and have lost their bodies, by removal. Plan it for its arguments.
-- $1 after this position; $2 through this one; $3–$18 the filter (event_matches)
SELECT removal, count(*)
FROM events
WHERE position > $1 AND position <= $2 AND removal IS NOT NULL
  AND event_matches(events, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
GROUP BY removal
