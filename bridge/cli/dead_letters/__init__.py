"""`ntbridge dead-letters`: list, show, redrive and drop dead letters."""
