"""`ntbridge status`: the state of all daemons, and the last hour."""
