-- The positions of deleted rows, each part of them as JSON.
SELECT to_json(d)::text AS row FROM deleted_events AS d ORDER BY d.removal, d.first
