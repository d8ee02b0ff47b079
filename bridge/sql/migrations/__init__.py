"""Plain numbered migrations, forward only."""
