"""The console as a browser sees it: a login is asked for, and the operator's token is taken.

Called by check.sh: the console's address and the file of the token as arguments.
"""

import sys
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, ProxyHandler, build_opener


def main(address: str, token: Path) -> None:
    """Ask for the overview, log in, look at it."""
    browser = build_opener(ProxyHandler({}), HTTPCookieProcessor(CookieJar()))
    with browser.open(address, timeout=20) as asked:
        if "/login" not in asked.url:
            sys.exit(f"{asked.url} is shown without a login")
    form = urlencode({"token": token.read_text(encoding="utf-8").strip(), "next": "/"})
    with browser.open(f"{address}/login", data=form.encode(), timeout=20) as shown:
        page = shown.read().decode()
    if "<h1>Overview" not in page:
        sys.exit(f"after the login {shown.url} shows: {page[:300]}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
