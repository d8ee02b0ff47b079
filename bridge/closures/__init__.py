"""Closures: one result event for the end of every run that a route started.

Modules: `runs` (the table of runs), `tracker` (looks for ended runs), `chains` (the end of a run's
chain), `event` (the closure event).
"""
