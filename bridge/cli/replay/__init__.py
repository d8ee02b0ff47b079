"""`ntbridge replay`: send stored events again."""
