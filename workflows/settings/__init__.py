"""The modules' settings, one file a module: which adapters there are, and how they behave.

``qtest.containment`` is ``NTBRIDGE_WORKER_QTEST__CONTAINMENT`` in the environment.
"""
