"""Dispatch, from plan to Temporal: ``take → call → settle``, in `bridge.dispatch.dispatcher`.

Modules: `taker` (reads due dispatches into `lanes`), `prefetch` (their events), `throttle` and `pace`
(limits), `caller` (calls), `settler` (commits outcomes through `ledger`), `ownership` and `partitions`.
"""
