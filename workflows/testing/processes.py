"""The processes that an adapter started."""

import os
from pathlib import Path


def children() -> frozenset[int]:
    """Return the ids of this process's running children, including theirs. Linux only."""
    found: set[int] = set()
    parents = [os.getpid()]
    while parents:
        for child in _children_of(parents.pop()):
            if child not in found:
                found.add(child)
                parents.append(child)
    return frozenset(found)


def _children_of(process: int) -> list[int]:
    found: list[int] = []
    for thread in _entries(Path(f"/proc/{process}/task")):
        try:
            found += map(int, (thread / "children").read_text().split())
        except OSError:
            continue  # it has ended
    return [child for child in found if _runs(child)]


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _runs(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"  # a zombie has ended
