-- The server process of this connection; a pooler shows its clients other numbers.
SELECT pg_backend_pid()
