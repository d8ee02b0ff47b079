"""What any workflow may use: inbox, saga, result events, phases, policies, queues."""
