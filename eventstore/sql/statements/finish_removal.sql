-- The end of a removal, and what people must know about it.
-- $1 removal, $2 remarks
UPDATE removals SET finished_at = clock_timestamp(), remarks = $2::jsonb WHERE id = $1 AND finished_at IS NULL
