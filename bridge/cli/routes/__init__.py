"""`ntbridge routes`: list, check, test and explain routes."""
