"""`ntbridge dev`: the whole system on this machine."""
