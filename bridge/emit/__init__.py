"""Emit: workflows append result events to the store through an activity.

Modules: `service` (serves the activity), `activity` (the activity), `request` (its argument and the
events), `checking` (reads and checks events in a child process), `message_limit` (maximum message size),
`identity` (the secret for event ids).
"""
