"""NATS JetStream: connection, streams, subjects, reading and publishing.

- `client`, `connection`, `credentials`: the NATS client, its reconnects, its authentication.
- `subjects`, `acks`, `server_messages`: rules for subjects, ack subjects, NATS's own messages.
- `own_streams`, `stream_options`: the streams that the bridge creates, and their options.
- `api`: requests to the JetStream API. `reader`: reads a stream from a sequence to another.
- `publishing`: publishes one event. `batch_publisher`: publishes many in order.
"""
