"""Keys hash to partitions; one daemon dispatches a partition at a time."""

from zlib import crc32

PARTITIONS = 32
"""How many there are; part of the contract with the rows, never to be changed lightly."""


def partition_of(key: str) -> int:
    """Return the partition of a key."""
    return crc32(key.encode()) % PARTITIONS
