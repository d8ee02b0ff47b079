"""Addresses as logs, errors and terminals may show them: without what is secret in them. Pure."""

import re

_USERINFO = re.compile(r"(?<=//)(?P<user>[^:/@\s]*)(?P<secret>.*)@", re.DOTALL)
_SECRET_PARAMETER = re.compile(
    r"(?P<name>[?&;][^=&;]*(?:password|token|secret|key)=)[^&;]*", re.IGNORECASE | re.DOTALL
)
_CONTROL = re.compile(r"[\x00-\x20\x7f-\x9f]")


def without_secrets(url: str, *, keep_user: bool = False) -> str:
    """Return a URL, or several with commas between, without passwords and tokens.

    What stands between the first ``//`` and the last ``@`` is hidden as a whole, so that a password
    that is not percent-encoded stays hidden too, whatever it contains: slashes, commas, line
    breaks. Control characters and spaces are shown as ``?``.

    Args:
        url: The address.
        keep_user: Show the name of the user.
    """

    def hide(found: re.Match[str]) -> str:
        user = found["user"] if keep_user else ""
        return f"{user}:***@" if user and found["secret"] else f"{user or '***'}@"

    shown = _USERINFO.sub(hide, url)
    if "//" not in url:
        shown = re.sub(r"^.*@", "***@", url, flags=re.DOTALL)
    return _CONTROL.sub("?", _SECRET_PARAMETER.sub(r"\g<name>***", shown))
