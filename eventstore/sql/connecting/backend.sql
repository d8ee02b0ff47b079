-- The server's process behind this connection; a pooler gives its clients other numbers.
SELECT pg_backend_pid()
