"""The query layer: what operators ask, answered once for the command line, the console and JSON.

::

    overview       is it well: findings, sources, lags, lanes, outcomes
    last_hour      the last hour by minute and route, read again only where it can have changed
    activity       counts by minute and route; pending dispatches; lanes that are stuck
    search         find events: by any id, by attributes, by a CEL expression
    question       find the events that an id, an order number or a condition may mean
    explain        what happened to an event; explanation: its values and rules (pure)
    waiting        what holds a dispatch up (pure)
    lookup         find an event by id or uid
    message_answers  what intake answered for a message
    dispatches     list dispatches
    failures       the open dead letters, grouped by failure
    runs           the runs that routes started
    replays        what was sent again, with rate and time left
    audit          what people did, when and why; also writes it

Every answer is a struct that msgspec encodes as JSON; nothing here formats text for a terminal or a
page. Every query is served by an index, or reads a bounded number of rows and says how far it came.
"""
