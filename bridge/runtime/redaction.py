"""URLs without their secrets, for logs, errors and terminals. Pure."""

import re

_USERINFO = re.compile(r"(?<=//)(?P<user>[^:/@\s]*)(?P<secret>.*)@", re.DOTALL)
_SECRET_PARAMETER = re.compile(
    r"(?P<name>[?&;][^=&;]*(?:password|token|secret|key)=)[^&;]*", re.IGNORECASE | re.DOTALL
)
_CONTROL = re.compile(r"[\x00-\x20\x7f-\x9f]")


def without_secrets(url: str, *, keep_user: bool = False) -> str:
    """Return one URL or several, separated by commas, without passwords and tokens.

    Everything between the first ``//`` and the last ``@`` is hidden. This also hides a password that
    is not percent-encoded and contains slashes, commas or line breaks. Control characters and
    spaces are replaced by ``?``.

    Args:
        url: The URL or URLs.
        keep_user: Keep the user name.
    """

    def hide(found: re.Match[str]) -> str:
        user = found["user"] if keep_user else ""
        return f"{user}:***@" if user and found["secret"] else f"{user or '***'}@"

    shown = _USERINFO.sub(hide, url)
    if "//" not in url:
        shown = re.sub(r"^.*@", "***@", url, flags=re.DOTALL)
    return _CONTROL.sub("?", _SECRET_PARAMETER.sub(r"\g<name>***", shown))
