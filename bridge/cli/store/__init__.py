"""``ntbridge store``: the table of the events."""
