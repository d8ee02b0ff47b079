"""The activities: one class for each module, which receives its ports.

An activity has the name of its declaration in ``workflows.steps``. It calls the ports and adds
what Temporal needs, such as heartbeats.
"""
