"""Programs that run beside a release, inside its cage: they use the standard library only."""
