"""`ntbridge dead-letters`: list, show, redrive and drop what could not be handled."""
