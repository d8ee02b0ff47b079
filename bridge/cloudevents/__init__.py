"""CloudEvents 1.0 on NATS.

- `headers`: parses NATS header blocks. `strict_json`: JSON checks.
- `codec`: NATS message to event, and event to NATS message.
- `lineage`: the attributes that an event inherits from the event that caused it.
"""
