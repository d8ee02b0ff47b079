"""Routes: which event leads to which Temporal operation.

::

    routes.yaml ──▶ loading ──▶ model ──▶ table ──▶ plan(topic, event): what is dispatched
    schemas/    ──▶ schemas ───────────────┘   └──▶ explain(topic, event): why, or why not

`positions` knows where in the file each thing stands, `model` is what the file says, `loading`
checks all of it, `index` and `matching` find the routes of an event, `table` plans. `live` puts
a changed file in force in a running daemon. `lint`, `cases` (unit tests of routes) and
`drawing` serve the people who write them.

All but `live` is pure once the files are read.
"""
