"""Routes: which event leads to which Temporal operation.

`model` is what the file says, `loading` reads and checks it, `table` matches events and plans.
All of it is pure but for the reading of the file.
"""
