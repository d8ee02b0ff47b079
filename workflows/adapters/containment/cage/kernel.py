"""The kernel's calls that Python has no function for."""

import ctypes
import os
import sys
from typing import Any, Final, NoReturn

REFUSED: Final = 125
"""Exit code: the cage could not be made."""
STOPPED: Final = 124
"""Exit code: the program exceeded a limit of the whole cage."""

PR_SET_PDEATHSIG: Final = 1
PR_SET_DUMPABLE: Final = 4
PR_SET_SECCOMP: Final = 22
PR_CAPBSET_DROP: Final = 24
PR_SET_CHILD_SUBREAPER: Final = 36
PR_SET_NO_NEW_PRIVS: Final = 38

LIBC: Final = ctypes.CDLL(None, use_errno=True)


def call(function: str, *arguments: Any) -> int:
    """Call a function of the C library.

    Raises:
        OSError: When it returns a negative number.
    """
    result = int(getattr(LIBC, function)(*arguments))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")
    return result


def leave(code: int, message: str) -> NoReturn:
    """Exit with a reason on standard error."""
    sys.stderr.write(f"cage: {message}\n")
    sys.stderr.flush()
    os._exit(code)
