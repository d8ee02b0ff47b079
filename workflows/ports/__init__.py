"""What the activities need from the world, as small protocols, one a file.

An adapter (``workflows.adapters``) knows no Temporal; an activity knows no tool. Every method
may be called again with the same argument, concurrently too: an activity is retried when its
worker dies, whether or not its first try took effect.
"""
