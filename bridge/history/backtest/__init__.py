"""Backtests: what other routes would do with the stored history. Nothing is called.

`backtest` reads stored events and plans them by two tables of routes, as intake and a replay to
routes plan. `difference` compares the two plans of an event.

A plan is a pure function of the event and of its route, so a route with the same content in both
tables plans the same: only routes that differ are evaluated. That holds only if the rest of both
tables is equal too: the schemas that decide whether an event is planned, and the sources, which say
how the data of a type is read. If one of them differs, all routes are evaluated.
"""
