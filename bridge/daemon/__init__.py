"""The daemon: builds its parts, starts them, and stops them.

::

    setup          creates tables, streams and search attributes before the first start
    observability  pages, metrics and traces; up before Postgres and after it
    assembly       builds the parts and connects them
    lifecycle      waits for Postgres, runs the parts until a signal, stops them
"""
