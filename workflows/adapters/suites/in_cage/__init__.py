"""Scripts that run inside the cage; each is independent."""
