-- Number the next removals after those that were imported.
SELECT setval(pg_get_serial_sequence('removals', 'id'), max(id)) FROM removals HAVING max(id) IS NOT NULL
