"""Scripts for inside of the cage; each stands alone."""
