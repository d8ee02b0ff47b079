"""Removal: take the bodies of events out of the store, by age (prune) or for a person (erase).

=========  ===============================================================================
part       a part of an archive: events as compressed NDJSON, with digests
=========  ===============================================================================
"""
