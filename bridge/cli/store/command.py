"""``ntbridge store``: looks after the event store."""

from cyclopts import App

app = App(name="store", help="Look after the event store.")
app.command("bridge.cli.store.index:app", name="index", help="Add, list and drop indexes.")
