"""The relay: publishes result events from the store to NATS, in position order.

Modules: `relay` (the service), `appender` (publishes events and sets aside those it cannot publish),
`chain` (messages, and the last message of the stream), `late` (publishes one event out of order),
`rebuild` (publishes the whole stream again from the store).
"""
