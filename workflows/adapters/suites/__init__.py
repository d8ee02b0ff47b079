"""Generates tests, and runs them in containment.

``in_cage/`` has the scripts that run with the code inside the cage. They import nothing of this
project. Their report can be falsified by the code beside them: containment prevents damage by
hostile code, not false results of its own tests.
"""
