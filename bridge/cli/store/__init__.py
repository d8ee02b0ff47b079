"""`ntbridge store`: remove the bodies of events, by age or for a person."""
