-- The removals, each as JSON.
SELECT to_json(r)::text AS row FROM removals AS r ORDER BY r.id
