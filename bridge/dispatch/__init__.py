"""Dispatch, from plan to Temporal: ``take → call → settle``, in `bridge.dispatch.dispatcher`.

Modules: `taker` (fills `lanes`, from the table and by `handover` from intake's memory; `prefetch` reads
events), `caller` (calls, within `gate`, `pace` and `throttle`), `settler` (commits outcomes through
`ledger`), `queue` (what passes between the three), `ownership` and `partitions`, `window_closer` (makes the calls
of windows due).
"""
