"""Removes folders that untrusted programs wrote to."""

import os
from errno import ENOTEMPTY
from pathlib import Path
from uuid import uuid4


def remove_folder(folder: Path) -> None:
    """Remove a folder, of any depth and with any permissions; do nothing if it is missing.

    It never descends: folders inside of others are moved up first. So depth costs neither stack,
    nor open files, nor a path that is too long. Symbolic links are removed, not followed.

    Raises:
        OSError: When the file system refuses.
    """
    if not folder.exists():
        return
    folder.chmod(0o700)
    while entries := list(os.scandir(folder)):
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _flatten(Path(entry.path), folder)
            else:
                Path(entry.path).unlink()
    folder.rmdir()


def _flatten(inner: Path, folder: Path) -> None:
    """Remove ``inner``; the folders in it move to ``folder``."""
    inner.chmod(0o700)
    for entry in list(os.scandir(inner)):
        if entry.is_dir(follow_symlinks=False):
            # A folder moves only when it may be written to: its ".." changes.
            Path(entry.path).chmod(0o700)
            Path(entry.path).rename(folder / uuid4().hex)
        else:
            Path(entry.path).unlink()
    try:
        inner.rmdir()
    except OSError as error:
        # A process that has been killed wrote once more before it ended: the next round
        # removes that too.
        if error.errno != ENOTEMPTY:
            raise
