"""What workflows have done for them: classes that are given their ports, one per module.

An activity takes its name from its declaration in ``workflows.steps`` and adds to its ports
what Temporal wants from it, heartbeats above all.
"""
