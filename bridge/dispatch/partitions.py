"""Keys hash to partitions; one daemon dispatches a partition at a time."""

from zlib import crc32

PARTITIONS = 32
"""Number of partitions. Rows in the table depend on it: changing it needs a migration."""


def partition_of(key: str) -> int:
    """Return the partition of a key."""
    return crc32(key.encode()) % PARTITIONS
