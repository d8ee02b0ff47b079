"""``ntbridge store``: look after the event store."""
