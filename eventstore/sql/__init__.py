"""The SQL of the store: migrations, statements and roles; one statement a file."""
