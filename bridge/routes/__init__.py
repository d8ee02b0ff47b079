"""Routes: which event leads to which Temporal operation.

::

    routes.yaml ──▶ loading ──▶ model ──▶ table ──▶ plan(topic, event): the planned dispatches
    schemas/    ──▶ schemas ───────────────┘   └──▶ explain(topic, event): why each route matches

`positions` parses YAML with line and column of each value, `model` defines the file's content,
`loading` checks it, `index` and `matching` find the routes of an event, `table` plans dispatches.
`live` reloads changed files in a running daemon. For authors of routes there are `lint`,
`route_tests` (unit tests of routes), `mermaid` (a diagram) and `json_schema` (for editors).

After the files are read, all modules except `live` are pure.
"""
