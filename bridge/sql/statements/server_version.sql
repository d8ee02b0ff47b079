-- The version of the database server, as text.
show server_version
