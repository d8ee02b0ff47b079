"""Intake: ``fetch → decode → match → record → ack``; `bridge.intake.pipeline` is the loop.

- `durable_consumer`: the JetStream consumer on the server. `placement`: where it begins. Pure.
- `attachment`: places the consumer after the last recorded message.
- `consumer`: pulls deliveries. `lag`: how far a source is behind.
- `decision`: decodes a delivery and plans its dispatches.
- `batch_recorder`: records a batch, with retries. `recorder`, `rows`: one commit for a batch.
- `refusals`: the dead letters of intake. `observation`: log fields and traces of a delivery.
"""
