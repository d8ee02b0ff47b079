"""Work on stored events and dead letters, run by commands (retention: by the daemon).

::

    replay         send stored events again, to a file, a subject or routes
    redrive        retry dead letters
    verify         compare NATS, the store, the dispatches and Temporal
    archive        export and import a whole history; archive_file: the file format
    retention      delete old dispatches and deliveries
"""
