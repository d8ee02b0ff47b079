"""A program that tells how it was started; see `tests/unit/support/test_warm_start.py`."""

import json
import os
import signal
import sys
import time
from pathlib import Path


def main() -> int:
    """Do what the first argument says."""
    match sys.argv[1]:
        case "descriptors":
            numbers = sorted(int(path.name) for path in Path("/proc/self/fd").iterdir())
            open_now = [n for n in numbers if Path(f"/proc/self/fd/{n}").exists()]
            sys.stdout.write(json.dumps(open_now))
        case "wait":
            try:
                sys.stdout.write(f"{os.getpid()}\n")
                sys.stdout.flush()
                signal.pause()
            except KeyboardInterrupt:
                return 130
        case _:
            told = {
                "arguments": sys.argv[1:],
                "stdin": sys.stdin.read(),
                "cwd": str(Path.cwd()),
                "first_path": sys.path[0],
                "probed": os.environ.get("PROBED"),
                "zone": time.tzname[0],
                "parent": os.getppid(),
                "forked": "tests.support.warm_interpreter"
                in Path("/proc/self/cmdline").read_text(),
            }
            sys.stdout.write(json.dumps(told))
            sys.stderr.write("on standard error\n")
    return 7


if __name__ == "__main__":
    sys.exit(main())
