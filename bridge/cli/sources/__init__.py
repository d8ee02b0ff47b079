"""``ntbridge sources``: what is read, and what its messages become."""
