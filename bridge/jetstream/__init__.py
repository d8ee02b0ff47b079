"""NATS JetStream: connection, streams, subjects, reading and publishing."""
