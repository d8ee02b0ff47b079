"""The image's health check: is the daemon or worker in this container ready?

Asks the page `/readyz` of the daemon or worker, or the page and port that are given, and prints what it
says. The image has no curl, and `ntbridge doctor` takes a second of a core, which is too much for every ten seconds.
"""

import os
import sys
import urllib.error
import urllib.request

_USUAL = ("/readyz", os.environ.get("NTBRIDGE_HTTP__PORT", "9464"))
"""The page and the port, unless they are given."""
_WITHIN = 4.0
"""Seconds; the image's check is given five."""

# Never through http_proxy: for a proxy, 127.0.0.1 is another machine.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def main() -> int:
    """Return 0 when the page answers with success, 1 otherwise."""
    page, port = [*sys.argv[1:], *_USUAL[len(sys.argv) - 1 :]]
    try:
        with _DIRECT.open(f"http://127.0.0.1:{port}{page}", timeout=_WITHIN) as answer:
            said, code = answer.read(), 0
    except urllib.error.HTTPError as error:
        said, code = error.read(), 1
    except OSError as error:
        said, code = str(error).encode(), 1
    sys.stdout.write(said.decode(errors="replace").strip() + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
