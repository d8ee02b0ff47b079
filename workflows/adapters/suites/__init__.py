"""Writing tests, and running them in containment.

``in_cage/`` has the scripts that run beside the code, inside the cage. They import nothing of
ours, and what they say is only as true as the code beside them lets it be: containment keeps
hostile code from doing harm, not from lying about its own tests.
"""
